/** Plays all stems of a song at once, sample for sample in time with each other, from chunks fetched as they are needed. */
import { Chunks, type Source } from './chunks'
import type { Layout } from './peaks'
import { after, chunksAhead, type Loop, pieceAt, placeAt, type Timed } from './schedule'

const AHEAD_S = 8 // scheduled; enough for timers of a tab in the background
const AHEAD_CHUNKS = 3
const PUMP_MS = 200
const FADE_S = 0.012 // against clicks at stops and jumps

export interface PlayerState {
  playing: boolean
  /** Playing is asked for, and the sound is still on its way. */
  waiting: boolean
  problem: string | null
}

interface Scheduled extends Timed {
  nodes: AudioBufferSourceNode[]
}

export class Engine {
  readonly layout: Layout
  private readonly context: AudioContext
  private readonly chunks: Chunks
  private readonly gains: GainNode[]
  private readonly fader: GainNode
  private pieces: Scheduled[] = []
  private cursor = 0
  private rest = 0
  private loop: Loop | null = null
  private pump: ReturnType<typeof setInterval> | undefined
  private state: PlayerState = { playing: false, waiting: false, problem: null }

  constructor(
    stems: readonly Source[],
    anew: () => Promise<readonly string[]>,
    private readonly changed: (state: PlayerState) => void,
  ) {
    const first = stems[0]
    if (first === undefined) throw new Error('no stems')
    this.layout = first.peaks
    this.context = contextAt(first.peaks.sampleRate)
    this.chunks = new Chunks(this.context, stems, anew)
    this.fader = new GainNode(this.context, { gain: 1 })
    this.fader.connect(this.context.destination)
    this.gains = stems.map(() => {
      const gain = new GainNode(this.context)
      gain.connect(this.fader)
      return gain
    })
  }

  /** Samples from the song's beginning. */
  get place(): number {
    if (!this.state.playing) return this.rest
    return placeAt(this.heard, this.pieces, this.layout.sampleRate, this.rest)
  }

  async play(): Promise<void> {
    if (this.state.playing) return
    if (this.rest >= this.layout.samples) this.rest = this.loop?.from ?? 0
    this.set({ playing: true, waiting: true, problem: null })
    this.cursor = this.rest
    this.pump = setInterval(() => this.schedule(), PUMP_MS)
    await this.context.resume()
    this.schedule()
  }

  pause(): void {
    if (!this.state.playing) return
    this.rest = this.place
    this.halt()
    // after the fade; a context that runs keeps phones awake
    setTimeout(() => {
      if (!this.state.playing && this.context.state === 'running') void this.context.suspend()
    }, 200)
  }

  seek(place: number): void {
    this.rest = Math.max(0, Math.min(Math.round(place), this.layout.samples))
    if (this.state.playing) {
      this.silence()
      this.cursor = this.rest
      this.schedule()
    }
  }

  setGain(stem: number, gain: number): void {
    this.gains[stem]?.gain.setTargetAtTime(gain, this.context.currentTime, FADE_S)
  }

  /** What is scheduled beyond the piece that sounds now is scheduled anew; that piece ends where the loop does. */
  setLoop(loop: Loop | null): void {
    this.loop = loop
    if (!this.state.playing) return
    const now = this.context.currentTime
    this.drop((piece) => piece.at > now)
    const current = this.pieces.at(-1)
    if (current !== undefined && loop !== null && this.place < loop.to && after(current) > loop.to) {
      current.length = loop.to - current.start
      for (const node of current.nodes) node.stop(current.at + current.length / this.layout.sampleRate)
    }
    this.cursor = current === undefined ? this.rest : after(current)
    this.schedule()
  }

  /** Fetches the beginning, so that playing starts at once. */
  warm(): void {
    void this.chunks.load(Math.floor(this.rest / this.layout.chunkSamples)).catch(() => undefined)
  }

  close(): void {
    clearInterval(this.pump)
    this.chunks.close()
    void this.context.close()
  }

  /** The moment that comes out of the loudspeaker now; what is scheduled for `currentTime` is heard a little later. */
  private get heard(): number {
    return this.context.currentTime - (this.context.outputLatency || 0)
  }

  private schedule(): void {
    if (!this.state.playing) return
    const { context, layout } = this
    this.drop((piece) => piece.at + piece.length / layout.sampleRate < context.currentTime - 2)
    for (;;) {
      const last = this.pieces.at(-1)
      const end = last === undefined ? 0 : last.at + last.length / layout.sampleRate
      if (end > context.currentTime + AHEAD_S) break
      const piece = pieceAt(this.cursor, layout, this.loop)
      if (piece === null) {
        if (context.currentTime >= end) this.end()
        break
      }
      const buffers = this.chunks.get(piece.chunk)
      if (buffers === null) {
        if (end < context.currentTime + 0.05) this.set({ waiting: true })
        break
      }
      // Late: the song waits, and all stems go on together.
      const at = end < context.currentTime + 0.02 ? context.currentTime + 0.04 : end
      const nodes = buffers.map((buffer, stem) => this.start(buffer, stem, at, piece.offset, piece.length))
      this.pieces.push({ ...piece, at, nodes })
      this.cursor = after(piece)
      this.set({ waiting: false })
    }
    void this.fetchAhead()
  }

  private start(buffer: AudioBuffer, stem: number, at: number, offset: number, length: number): AudioBufferSourceNode {
    const node = new AudioBufferSourceNode(this.context, { buffer })
    const gain = this.gains[stem]
    if (gain !== undefined) node.connect(gain)
    node.start(at, offset / this.layout.sampleRate, length / this.layout.sampleRate)
    return node
  }

  private async fetchAhead(): Promise<void> {
    try {
      for (const chunk of chunksAhead(this.cursor, this.layout, this.loop, AHEAD_CHUNKS)) {
        if (this.chunks.get(chunk) !== null) continue
        await this.chunks.load(chunk)
        this.schedule()
        return
      }
    } catch {
      if (!this.state.playing) return
      this.pause()
      this.set({ problem: 'The sound could not be fetched. Check the connection and press play again.' })
    }
  }

  private end(): void {
    this.rest = this.layout.samples
    this.halt()
  }

  private halt(): void {
    clearInterval(this.pump)
    this.silence()
    this.set({ playing: false, waiting: false })
  }

  /** Ends what sounds and what is scheduled, with a short fade. */
  private silence(): void {
    const now = this.context.currentTime
    const { gain } = this.fader
    gain.cancelScheduledValues(now)
    gain.setValueAtTime(1, now)
    gain.linearRampToValueAtTime(0, now + FADE_S)
    gain.setValueAtTime(1, now + FADE_S + 0.004)
    for (const { nodes } of this.pieces) for (const node of nodes) node.stop(now + FADE_S + 0.002)
    this.pieces = []
  }

  private drop(which: (piece: Scheduled) => boolean): void {
    for (const piece of this.pieces.filter(which)) for (const node of piece.nodes) node.stop()
    this.pieces = this.pieces.filter((piece) => !which(piece))
  }

  private set(changes: Partial<PlayerState>): void {
    const next = { ...this.state, ...changes }
    if (JSON.stringify(next) === JSON.stringify(this.state)) return
    this.state = next
    this.changed(next)
  }
}

/** At the song's own rate nothing is resampled. Where a browser refuses it, the chunks are, each to its own length. */
function contextAt(sampleRate: number): AudioContext {
  try {
    return new AudioContext({ sampleRate, latencyHint: 'playback' })
  } catch {
    return new AudioContext({ latencyHint: 'playback' })
  }
}
