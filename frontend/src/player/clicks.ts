/** A click on every beat, made here from its sound's description. */
import { firstBeatFrom } from './beats'

const CLICK_HZ = 1500
const LEVEL = 0.5
const LENGTH_S = 0.03
const DECAY_S = 0.006

/** A short tone that starts at its full level, so that its first sample is the beat. */
export function clickBuffer(context: BaseAudioContext): AudioBuffer {
  const { sampleRate } = context
  const buffer = new AudioBuffer({ length: Math.round(LENGTH_S * sampleRate), sampleRate })
  const samples = buffer.getChannelData(0)
  for (let index = 0; index < samples.length; index += 1) {
    const seconds = index / sampleRate
    const fadeOut = 1 - index / samples.length
    samples[index] = LEVEL * fadeOut * Math.cos(2 * Math.PI * CLICK_HZ * seconds) * Math.exp(-seconds / DECAY_S)
  }
  return buffer
}

/** A part of the song that sounds from the time `at` on, at a tempo. */
interface Played {
  at: number
  start: number
  length: number
  tempo: number
}

export class Clicks {
  private readonly buffer: AudioBuffer

  /** `output` receives the clicks. */
  constructor(
    private readonly context: BaseAudioContext,
    private readonly output: AudioNode,
    private readonly beats: readonly number[],
  ) {
    this.buffer = clickBuffer(context)
  }

  /** Schedule the clicks of a part. Positions are in samples. */
  schedule({ at, start, length, tempo }: Played, sampleRate: number): AudioBufferSourceNode[] {
    const [from, to] = [start / sampleRate, (start + length) / sampleRate]
    const first = firstBeatFrom(this.beats, from)
    const inside = this.beats.slice(first, firstBeatFrom(this.beats, to))
    return inside.map((beat) => this.at(at + (beat - from) / tempo))
  }

  /** Schedule one click. */
  at(time: number): AudioBufferSourceNode {
    const node = new AudioBufferSourceNode(this.context, { buffer: this.buffer })
    node.connect(this.output)
    node.start(time)
    return node
  }
}
