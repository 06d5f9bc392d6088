/** The click of a song, and the count-in before it plays. Each has a level of its own. */
import { countIn } from './beats'
import { Clicks } from './clicks'
import type { ScheduledPiece } from './schedule'
import { Strip } from './strip'

/** What sounds before the music. */
export interface CountInSound {
  seconds: number
  nodes: readonly AudioBufferSourceNode[]
}

export class Metronome {
  private readonly clickStrip: Strip
  private readonly countInStrip: Strip
  private clicks: Clicks
  private countInClicks: Clicks

  /** `beats`: of the song, in seconds. */
  constructor(
    private readonly context: BaseAudioContext,
    output: AudioNode,
    private songBeats: readonly number[],
  ) {
    this.clickStrip = new Strip(context, output)
    this.clickStrip.set(0, 0)
    this.countInStrip = new Strip(context, output)
    this.clicks = new Clicks(context, this.clickStrip.input, songBeats)
    this.countInClicks = new Clicks(context, this.countInStrip.input, songBeats)
  }

  get beats(): readonly number[] {
    return this.songBeats
  }

  set beats(beats: readonly number[]) {
    this.songBeats = beats
    this.clicks = new Clicks(this.context, this.clickStrip.input, beats)
    this.countInClicks = new Clicks(this.context, this.countInStrip.input, beats)
  }

  /** `countIn`: level of the count-in, which is heard even if the click is muted. */
  fade(gain: number, countIn: number, pan: number): void {
    this.clickStrip.fade(gain, pan)
    this.countInStrip.fade(countIn, pan)
  }

  /** Schedule the clicks of a piece. */
  schedule(piece: ScheduledPiece, sampleRate: number): AudioBufferSourceNode[] {
    return this.clicks.schedule(piece, sampleRate)
  }

  /** Schedule the count-in from the time `now` on, before music that starts at `seconds` of the song. */
  countIn(now: number, seconds: number, tempo: number): CountInSound {
    const { length, clicks } = countIn(this.songBeats, seconds)
    return { seconds: length / tempo, nodes: clicks.map((click) => this.countInClicks.at(now + click / tempo)) }
  }
}
