/** Plays all stems of a song in sync to the sample, from chunks that are fetched as needed. */
import { ChunkCache, type StemSource } from './chunks'
import type { Layout } from './peaks'
import { isDrums } from '../lib/stems'
import { AS_RECORDED, Output, type Practice } from './output'
import { chunksAhead, duration, endOf, inLoop, type Loop, pieceAt, positionAt, type ScheduledPiece } from './schedule'

const SCHEDULE_AHEAD_S = 8 // background tabs run timers rarely
const FETCH_AHEAD_CHUNKS = 3
const SCHEDULE_EVERY_MS = 200
const FADE_S = 0.012 // of a stem's gain
const PRACTICE_FAILED = 'Key and tempo can’t be changed: a part of the page could not be loaded. Reload the page.'
const FETCH_FAILED = 'The audio could not be loaded. Check your connection and press play again.'

export interface PlayerState {
  playing: boolean
  /** Playing, but the next chunk is not loaded yet. */
  buffering: boolean
  problem: string | null
}

export const INITIAL_STATE: PlayerState = { playing: false, buffering: false, problem: null }

interface PlayingPiece extends ScheduledPiece {
  nodes: AudioBufferSourceNode[]
}

export class Engine {
  readonly layout: Layout
  private readonly context: AudioContext
  private readonly chunks: ChunkCache
  private readonly gains: GainNode[]
  private readonly output: Output
  private practice = AS_RECORDED
  private pieces: PlayingPiece[] = []
  /** Position of the next piece to schedule. */
  private cursor = 0
  /** Position while paused. */
  private pausedAt = 0
  private loop: Loop | null = null
  private timer: ReturnType<typeof setInterval> | undefined
  private state = INITIAL_STATE

  constructor(
    stems: readonly StemSource[],
    freshUrls: () => Promise<readonly string[]>,
    private readonly onChange: (state: PlayerState) => void,
  ) {
    const first = stems[0]
    if (first === undefined) throw new Error('no stems')
    this.layout = first.peaks
    this.context = contextAt(first.peaks.sampleRate)
    this.chunks = new ChunkCache(this.context, stems, freshUrls)
    this.output = new Output(this.context)
    this.gains = stems.map(({ name }) => {
      const gain = new GainNode(this.context)
      gain.connect(this.output.entry(isDrums(name)))
      return gain
    })
  }

  /** Position of the playhead, in samples. */
  get position(): number {
    if (!this.state.playing) return this.pausedAt
    return positionAt(this.audibleTime, this.pieces, this.layout.sampleRate, this.pausedAt)
  }

  get playing(): boolean {
    return this.state.playing
  }

  async play(): Promise<void> {
    if (this.state.playing) return
    if (this.pausedAt >= this.layout.samples) this.pausedAt = 0
    this.pausedAt = inLoop(this.pausedAt, this.loop)
    this.set({ playing: true, buffering: true, problem: null })
    this.cursor = this.pausedAt
    this.timer = setInterval(() => this.schedule(), SCHEDULE_EVERY_MS)
    await this.context.resume()
    this.schedule()
  }

  pause(): void {
    if (!this.state.playing) return
    this.pausedAt = this.position
    this.stop()
    // After the fade: a running context keeps phones awake.
    setTimeout(() => {
      if (!this.state.playing && this.context.state === 'running') void this.context.suspend()
    }, 200)
  }

  seek(position: number): void {
    this.pausedAt = inLoop(Math.max(0, Math.min(Math.round(position), this.layout.samples)), this.loop)
    if (this.state.playing) {
      this.fadeOut()
      this.cursor = this.pausedAt
      this.schedule()
    }
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

  setGain(stem: number, gain: number): void {
    this.gains[stem]?.gain.setTargetAtTime(gain, this.context.currentTime, FADE_S)
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
    const now = this.context.currentTime
    this.discard((piece) => piece.at > now)
    const current = this.pieces.at(-1)
    if (current !== undefined && loop !== null && endOf(current) > loop.to && current.start < loop.to) {
      current.length = loop.to - current.start
      for (const node of current.nodes) node.stop(current.at + duration(current, this.layout.sampleRate))
    }
    this.cursor = current === undefined ? this.pausedAt : endOf(current)
    this.schedule()
  }

  /** Fetch the first chunk, so that playback starts without a delay. */
  prefetch(): void {
    void this.chunks.load(Math.floor(this.pausedAt / this.layout.chunkSamples)).catch(() => undefined)
  }

  close(): void {
    clearInterval(this.timer)
    this.chunks.close()
    void this.context.close()
  }

  /** The time whose audio leaves the loudspeaker now. */
  private get audibleTime(): number {
    return this.context.currentTime - this.output.latency
  }

  private schedule(): void {
    if (!this.state.playing) return
    const { context, layout } = this
    this.discard((piece) => piece.at + duration(piece, layout.sampleRate) < context.currentTime - 2)
    for (;;) {
      const last = this.pieces.at(-1)
      const end = last === undefined ? 0 : last.at + duration(last, layout.sampleRate)
      if (end > context.currentTime + SCHEDULE_AHEAD_S) break
      const piece = pieceAt(this.cursor, layout, this.loop)
      if (piece === null) {
        if (this.audibleTime >= end) this.finish()
        break
      }
      const buffers = this.chunks.get(piece.chunk)
      if (buffers === null) {
        if (end < context.currentTime + 0.05) this.set({ buffering: true })
        break
      }
      // A late chunk delays all stems alike, so that they stay in sync.
      const at = end < context.currentTime + 0.02 ? context.currentTime + 0.04 : end
      const nodes = buffers.map((buffer, stem) => this.start(buffer, stem, at, piece.offset, piece.length))
      this.pieces.push({ ...piece, at, nodes, tempo: this.practice.tempo })
      this.cursor = endOf(piece)
      this.set({ buffering: false })
    }
    void this.fetchAhead()
  }

  private start(buffer: AudioBuffer, stem: number, at: number, offset: number, length: number): AudioBufferSourceNode {
    const node = new AudioBufferSourceNode(this.context, { buffer, playbackRate: this.practice.tempo })
    const gain = this.gains[stem]
    if (gain !== undefined) node.connect(gain)
    node.start(at, offset / this.layout.sampleRate, length / this.layout.sampleRate)
    return node
  }

  private async fetchAhead(): Promise<void> {
    try {
      for (const chunk of chunksAhead(this.cursor, this.layout, this.loop, FETCH_AHEAD_CHUNKS)) {
        if (this.chunks.get(chunk) !== null) continue
        await this.chunks.load(chunk)
        this.schedule()
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
    const silent = this.output.fadeOut()
    for (const { nodes } of this.pieces) for (const node of nodes) node.stop(silent)
    this.pieces = []
  }

  private discard(condition: (piece: PlayingPiece) => boolean): void {
    for (const piece of this.pieces.filter(condition)) for (const node of piece.nodes) node.stop()
    this.pieces = this.pieces.filter((piece) => !condition(piece))
  }

  private set(changes: Partial<PlayerState>): void {
    const next = { ...this.state, ...changes }
    if (JSON.stringify(next) === JSON.stringify(this.state)) return
    this.state = next
    this.onChange(next)
  }
}

/** A context at the song's sample rate, so that nothing is resampled. Without browser support each chunk is. */
function contextAt(sampleRate: number): AudioContext {
  try {
    return new AudioContext({ sampleRate, latencyHint: 'playback' })
  } catch {
    return new AudioContext({ latencyHint: 'playback' })
  }
}
