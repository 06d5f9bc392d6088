/** Plays all stems of a song in sync to the sample, from chunks that are fetched as needed. */
import { ChunkCache, type EarlyChunks, type StemSource } from './chunks'
import { contextAt, resume } from './context'
import { Metronome } from './metronome'
import { outputLatency } from './latency'
import type { Layout } from './peaks'
import { isDrums } from '../lib/stems'
import { AS_RECORDED, Output, type Practice } from './output'
import { chunksAhead, chunksBetween, endOf, inLoop, type Loop, pieceAt } from './schedule'
import { Scheduled } from './scheduled'
import { Strip } from './strip'
import { Together } from './together'

const SCHEDULE_AHEAD_S = 8 // background tabs run timers rarely
const FETCH_AHEAD_CHUNKS = 3
const SCHEDULE_EVERY_MS = 200
const LATE_S = 0.02 // less than this before its start, a piece can't be scheduled
const ENTER_WITH_S = 1 // of loaded sound
const PRACTICE_FAILED = 'Key and tempo can’t be changed: a part of the page could not be loaded. Reload the page.'
const FETCH_FAILED = 'The audio could not be loaded. Check your connection and press play again.'

export interface PlayerState {
  playing: boolean
  /** Playing, but the next chunk is not loaded yet. */
  buffering: boolean
  problem: string | null
}

export const INITIAL_STATE: PlayerState = { playing: false, buffering: false, problem: null }

interface Entering {
  positionIn: (delay: number) => number
  /** Stop waiting: the user has paused or moved the playhead. */
  end: () => void
}

/** The files of a finished song. */
export interface EngineFiles {
  stems: readonly StemSource[]
  freshUrls: () => Promise<readonly string[]>
  onChange: (state: PlayerState) => void
  /** Beats of the song in seconds. */
  beats: readonly number[]
}

export class Engine {
  readonly layout: Layout
  /** Of the stems. */
  readonly names: readonly string[]
  private readonly context: AudioContext
  private readonly chunks: ChunkCache
  private readonly strips: Strip[]
  private readonly metronome: Metronome
  private readonly output: Output
  private readonly together: Together
  /** Whether clicks come before the next piece. */
  private countingIn = false
  private practice = AS_RECORDED
  private readonly scheduled: Scheduled
  /** Position of the next piece to schedule. */
  private cursor = 0
  /** Position while paused. */
  private pausedAt = 0
  private loop: Loop | null = null
  private timer: ReturnType<typeof setInterval> | undefined
  /** While `enter` waits. */
  private entering: Entering | null = null
  private state = INITIAL_STATE

  constructor(
    stems: readonly StemSource[],
    freshUrls: () => Promise<readonly string[]>,
    private onChange: (state: PlayerState) => void,
    /** Beats of the song in seconds. */
    beats: readonly number[] = [],
    early: EarlyChunks | null = null,
  ) {
    const first = stems[0]
    if (first === undefined) throw new Error('no stems')
    this.layout = first.peaks
    this.names = stems.map((stem) => stem.name)
    this.context = contextAt(first.peaks.sampleRate)
    this.chunks = new ChunkCache(this.context, stems, freshUrls, early)
    this.output = new Output(this.context)
    this.strips = stems.map(({ name }) => new Strip(this.context, this.output.entry(isDrums(name))))
    const inputs = this.strips.map((strip) => strip.input)
    this.together = new Together(this.context, inputs, first.peaks.sampleRate)
    this.scheduled = new Scheduled(first.peaks.sampleRate)
    this.metronome = new Metronome(this.context, this.output.clicks, beats)
  }

  /** Beats of the song in seconds. */
  get beats(): readonly number[] {
    return this.metronome.beats
  }

  /** Position of the playhead, in samples. */
  get position(): number {
    if (this.entering !== null) return Math.max(0, Math.round(this.entering.positionIn(0)))
    if (!this.state.playing) return this.pausedAt
    return this.scheduled.positionAt(this.audibleTime, this.pausedAt)
  }

  get playing(): boolean {
    return this.state.playing
  }

  /** `countIn`: with clicks before the music, if the song has beats. */
  async play(countIn = false): Promise<void> {
    if (this.state.playing) return
    this.countingIn = countIn
    if (this.pausedAt >= this.layout.samples) this.pausedAt = 0
    this.pausedAt = inLoop(this.pausedAt, this.loop)
    this.set({ playing: true, buffering: true, problem: null })
    this.start(this.pausedAt)
    await this.context.resume()
    this.schedule()
  }

  /**
   * Start playing within `fadeS`, in step with something else that plays. `positionIn(delay)` is where that will be in
   * `delay` seconds, in samples. Until then the engine counts as playing. Returns that delay; 'stopped' after `pause` or
   * `seek`; or 'impossible' if the chunk can't be loaded or the browser forbids sound.
   */
  async enter(positionIn: (delay: number) => number, fadeS: number): Promise<number | 'stopped' | 'impossible'> {
    if (this.state.playing) return 'stopped'
    const ready = async () => {
      await resume(this.context)
      for (const chunk of this.chunksToEnter(positionIn(0))) await this.chunks.load(chunk).catch(() => undefined)
    }
    const ended = new Promise<'stopped'>((resolve) => {
      this.entering = { positionIn, end: () => resolve('stopped') }
    })
    this.set({ playing: true, buffering: true, problem: null })
    if ((await Promise.race([ready(), ended])) === 'stopped') return 'stopped'
    this.entering = null
    this.output.close()
    while (this.context.state === 'running' && this.chunksToEnter(positionIn(0)).every((chunk) => this.chunks.get(chunk) !== null)) {
      const { lead } = this.together
      const at = this.context.currentTime + lead
      this.pausedAt = this.cursor = Math.max(0, Math.min(Math.round(positionIn(lead)), this.layout.samples))
      if (this.cursor === this.layout.samples) {
        this.finish() // it ends before the stems could begin
        return 'stopped'
      }
      if (!this.startPiece(at)) continue
      this.output.open(at, fadeS)
      this.start(this.cursor)
      this.schedule()
      return Math.max(0, at - this.context.currentTime)
    }
    this.pausedAt = Math.max(0, Math.min(Math.round(positionIn(0)), this.layout.samples))
    this.set({ playing: false, buffering: false })
    return 'impossible'
  }

  /**
   * The song is done: fetch all further chunks from its files. They have a gain that the pieces didn't have, so the level
   * changes slowly.
   */
  useFiles({ stems, freshUrls, onChange, beats }: EngineFiles): void {
    const gain = stems[0]?.peaks.gain ?? 1
    this.chunks.useFiles(stems, freshUrls, 1 / gain)
    this.output.setLevel(gain)
    this.metronome.beats = beats
    this.onChange = onChange
    onChange(this.state)
  }

  pause(): void {
    if (!this.state.playing) return
    this.pausedAt = this.position
    this.endEntering()
    this.stop()
    // After the fade: a running context keeps phones awake.
    setTimeout(() => {
      if (!this.state.playing && this.context.state === 'running') void this.context.suspend()
    }, 200)
  }

  seek(position: number): void {
    this.pausedAt = inLoop(Math.max(0, Math.min(Math.round(position), this.layout.samples)), this.loop)
    if (!this.state.playing) return
    this.endEntering()
    this.fadeOut()
    this.start(this.pausedAt)
    this.schedule()
  }

  /** Change key and tempo. Playback goes on at the same place. */
  async setPractice(practice: Practice): Promise<void> {
    const before = this.practice
    if (before.tempo === practice.tempo && before.key === practice.key) return
    this.practice = practice
    const { position } = this
    try {
      await this.output.change(practice)
    } catch {
      this.practice = before
      this.set({ problem: PRACTICE_FAILED })
      return
    }
    if (this.practice === practice) this.seek(this.state.playing ? this.position : position)
  }

  setStem(stem: number, gain: number, pan: number): void {
    this.strips[stem]?.fade(gain, pan)
  }

  /** `countIn`: level of the count-in, which is heard even if the click is muted. */
  setClick(gain: number, countIn: number, pan: number): void {
    this.metronome.fade(gain, countIn, pan)
  }

  /**
   * Set the loop. A playhead outside it moves to its start. Otherwise the piece that sounds now is cut at the loop's end,
   * and everything after it is scheduled again.
   */
  setLoop(loop: Loop | null): void {
    this.loop = loop
    const { position } = this
    if (inLoop(position, loop) !== position) this.seek(position)
    if (!this.state.playing) return
    this.cursor = this.scheduled.keepSounding(this.context.currentTime, loop) ?? this.pausedAt
    this.schedule()
  }

  /** Fetch the first chunk, so that playback starts without a delay. */
  prefetch(): void {
    const at = this.pausedAt >= this.layout.samples ? 0 : this.pausedAt // at its end, a song starts again
    void this.chunks.load(Math.floor(at / this.layout.chunkSamples)).catch(() => undefined)
  }

  close(): void {
    this.endEntering()
    clearInterval(this.timer)
    this.chunks.close()
    void this.context.close()
  }

  /** The time whose audio leaves the loudspeaker now. */
  private get audibleTime(): number {
    return this.context.currentTime - outputLatency(this.context) - this.output.latency
  }

  /** Schedule from `position` on, regularly. */
  private start(position: number): void {
    this.cursor = position
    clearInterval(this.timer)
    this.timer = setInterval(() => this.schedule(), SCHEDULE_EVERY_MS)
  }

  private endEntering(): void {
    this.entering?.end()
    this.entering = null
  }

  private schedule(): void {
    if (!this.state.playing || this.entering !== null) return
    this.scheduled.forgetEnded(this.context.currentTime)
    while (this.scheduleNext());
    void this.fetchAhead()
  }

  /** Returns whether there may be more to schedule. */
  private scheduleNext(): boolean {
    const { context, layout } = this
    const { end } = this.scheduled
    if (end > context.currentTime + SCHEDULE_AHEAD_S) return false
    const piece = pieceAt(this.cursor, layout, this.loop)
    if (piece === null) {
      if (this.audibleTime >= end) this.finish()
      return false
    }
    if (this.chunks.get(piece.chunk) === null) {
      if (end < context.currentTime + 0.05) this.set({ buffering: true })
      return false
    }
    if (end >= context.currentTime + LATE_S && this.startPiece(end)) return true
    // The first piece, or a late one, which delays all stems alike, so that they stay in sync.
    this.output.close()
    const at = Math.max(end, context.currentTime + this.together.lead)
    if (this.startPiece(at)) this.output.open(at)
    return true
  }

  /** Start the piece at the cursor, whose chunk is there. Returns false if it was too late for the time `at`. */
  private startPiece(at: number): boolean {
    const piece = pieceAt(this.cursor, this.layout, this.loop)
    const buffers = piece === null ? null : this.chunks.get(piece.chunk)
    if (piece === null || buffers === null) return false
    const { tempo } = this.practice
    const before = this.countingIn ? this.metronome.countIn(at, this.pausedAt / this.layout.sampleRate, tempo) : null
    const scheduled = { ...piece, at: at + (before?.seconds ?? 0), tempo }
    const started = this.together.start(scheduled, buffers, this.metronome, before)
    if (started === null) return false
    this.countingIn = false
    this.scheduled.add(started)
    this.cursor = endOf(piece)
    this.set({ buffering: false })
    return true
  }

  /** The chunks that a crossfade at `position` needs. */
  private chunksToEnter(position: number): number[] {
    return chunksBetween(position, position + ENTER_WITH_S * this.layout.sampleRate, this.layout)
  }

  private async fetchAhead(): Promise<void> {
    try {
      for (const chunk of chunksAhead(this.cursor, this.layout, this.loop, FETCH_AHEAD_CHUNKS)) {
        if (this.chunks.get(chunk) !== null) continue
        await this.chunks.load(chunk)
        if (this.chunks.get(chunk) !== null) this.schedule() // otherwise it isn't separated yet
        return
      }
    } catch {
      if (!this.state.playing) return
      this.pause()
      this.set({ problem: FETCH_FAILED })
    }
  }

  private finish(): void {
    this.pausedAt = this.layout.samples
    this.stop()
  }

  private stop(): void {
    clearInterval(this.timer)
    this.fadeOut()
    this.set({ playing: false, buffering: false })
  }

  /** Stop all pieces, sounding and scheduled, with a short fade. */
  private fadeOut(): void {
    this.scheduled.stop(this.output.close())
  }

  private set(changes: Partial<PlayerState>): void {
    const next = { ...this.state, ...changes }
    if (JSON.stringify(next) === JSON.stringify(this.state)) return
    this.state = next
    this.onChange(next)
  }
}
