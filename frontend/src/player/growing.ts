/**
 * Plays a song while it is separated: the original at first, and its stems where they exist.
 *
 * Stems that have begun to sound wait at the end of the finished pieces, so that no muted stem comes back. Behind that
 * end, after a jump, the original sounds until the stems have come there.
 */
import { Engine, type PlayerState } from './engine'
import type { OriginalSound } from './original'
import type { Layout } from './peaks'
import type { Pieces } from './pieces'

const CROSSFADE_S = 0.06
const AHEAD_S = 2 // of stems that must exist before they begin
const TICK_MS = 100

type ByStem = Readonly<Record<string, number>>

export interface GrowingState {
  playing: boolean
  /** What sounds, or would. */
  source: 'original' | 'stems'
  /** Whether it waits for stems. */
  waiting: boolean
}

export class GrowingPlayer {
  private engine: Engine | null = null
  private pieces: Pieces | null = null
  private layout: Layout | null = null
  private timer: ReturnType<typeof setInterval> | undefined
  private gains: ByStem = {}
  private pans: ByStem = {}
  private buffering = false
  private crossing = false
  private onStems = false
  private closed = false

  /** Place of the stems' start in the original, in seconds. */
  offset = 0

  constructor(
    readonly original: OriginalSound | null,
    private readonly onChange: () => void,
    /** Where stems without an original begin, in seconds. */
    private startS = 0,
  ) {
    this.timer = setInterval(() => this.tick(), TICK_MS)
  }

  get state(): GrowingState {
    const playing = this.onStems ? this.engine?.playing === true : this.original?.playing === true
    return { playing, source: this.onStems ? 'stems' : 'original', waiting: this.onStems && playing && this.buffering }
  }

  /** Place of the playhead in the stems, in seconds. */
  get seconds(): number {
    const { engine } = this
    if (this.onStems && engine !== null) return engine.position / engine.layout.sampleRate
    return Math.max(0, (this.original?.seconds ?? 0) - this.offset)
  }

  /** The stems so far; `pieces` has changed. */
  setPieces(pieces: Pieces): void {
    this.pieces = pieces
    const { layout } = pieces
    if (this.engine !== null && layout !== this.layout) this.dropEngine() // another worker has begun again
    this.layout = layout
    if (this.engine === null && layout !== null && pieces.stems.length > 0 && !this.closed) {
      const nothing = { pairs: new Float32Array(), samplesPerPair: 1, offsets: [], gain: 1, fine: null, beats: [] }
      const stems = pieces.stems.map((name) => ({ name, url: '', peaks: { ...layout, ...nothing } }))
      const changed = ({ buffering }: PlayerState) => this.setBuffering(buffering)
      this.engine = new Engine(stems, () => Promise.resolve([]), changed, [], pieces)
      this.applyMix()
      if (!this.hasOriginal) {
        this.onStems = true
        this.engine.seek(this.startS * layout.sampleRate)
      }
    }
    this.tick()
  }

  setOffset(offset: number): void {
    this.offset = offset
  }

  setMix(gains: ByStem, pans: ByStem): void {
    this.gains = gains
    this.pans = pans
    this.applyMix()
  }

  async play(): Promise<void> {
    if (this.onStems) await this.engine?.play()
    else await this.original?.play()
    this.onChange()
  }

  pause(): void {
    this.engine?.pause()
    this.original?.pause()
    this.onChange()
  }

  /** Go to a place in the stems. */
  async seek(seconds: number): Promise<void> {
    const { playing } = this.state
    const { engine } = this
    if (engine !== null && (this.canEnter(seconds, 0) || !this.hasOriginal)) {
      if (!this.onStems) this.original?.pause()
      this.onStems = true
      engine.seek(seconds * engine.layout.sampleRate)
      if (playing) await engine.play()
    } else if (this.original !== null) {
      engine?.pause()
      this.onStems = false
      this.original.seconds = seconds + this.offset
      if (playing) await this.original.play()
    }
    this.onChange()
  }

  /** Give away what sounds, which goes on. */
  leave(): { engine: Engine | null; original: OriginalSound | null } {
    this.end()
    const { engine, original, onStems } = this
    if (!onStems) engine?.close()
    return { engine: onStems ? engine : null, original }
  }

  close(): void {
    this.end()
    this.engine?.close()
    this.original?.close()
  }

  private end(): void {
    this.closed = true
    clearInterval(this.timer)
  }

  private get hasOriginal(): boolean {
    return this.original !== null && !this.original.failed
  }

  /** Whether the stems of a place, and of the next `ahead` seconds, can be played. */
  private canEnter(seconds: number, ahead: number): boolean {
    const { engine, pieces } = this
    if (engine === null || pieces === null || seconds < 0) return false
    const { sampleRate, samples } = engine.layout
    return pieces.ready >= Math.min((seconds + ahead) * sampleRate + 1, samples)
  }

  private tick(): void {
    if (this.onStems || this.closed) return
    if (this.engine !== null && !this.hasOriginal) {
      this.onStems = true
      this.onChange()
    } else if (this.original?.playing === true) void this.cross()
  }

  /** Cross over from the original to the stems, if there are enough of them. */
  private async cross(): Promise<void> {
    const { engine, original } = this
    const before = (original?.seconds ?? 0) - this.offset
    if (engine === null || original === null || this.crossing || !this.canEnter(before, AHEAD_S)) return
    this.crossing = true
    const positionIn = (delay: number) => (original.seconds - this.offset + delay) * engine.layout.sampleRate
    try {
      const delay = await engine.enter(positionIn, CROSSFADE_S)
      if (typeof delay !== 'number' || this.engine !== engine) return
      original.fadeOut(delay, CROSSFADE_S)
      this.onStems = true
      this.onChange()
    } finally {
      this.crossing = false
    }
  }

  private dropEngine(): void {
    const { engine, onStems, seconds } = this
    const playing = engine?.playing === true
    this.engine = null
    engine?.close()
    this.startS = seconds
    if (!onStems || !this.hasOriginal || this.original === null) return
    this.onStems = false
    this.original.seconds = seconds + this.offset
    if (playing) void this.original.play()
  }

  private applyMix(): void {
    this.pieces?.stems.forEach((stem, index) => this.engine?.setStem(index, this.gains[stem] ?? 1, this.pans[stem] ?? 0))
  }

  private setBuffering(buffering: boolean): void {
    this.buffering = buffering
    this.onChange()
  }
}
