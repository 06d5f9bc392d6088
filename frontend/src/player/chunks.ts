/** Decoded chunks of all stems: those around the place that plays, and no more, however long the song. */
import { retryAfter, sleep } from '../api/http'
import type { Peaks } from './peaks'

const KEPT = 6 // chunks of 5 s: at 44.1 kHz 42 MB for four stereo stems

export interface Source {
  name: string
  url: string
  peaks: Peaks
}

export class Chunks {
  private ready = new Map<number, AudioBuffer[]>()
  private loading = new Map<number, Promise<void>>()
  private stop = new AbortController()

  /** `anew` gives fresh addresses, in the order of the stems, when the old ones have run out. */
  constructor(
    private readonly context: BaseAudioContext,
    private stems: readonly Source[],
    private readonly anew: () => Promise<readonly string[]>,
  ) {}

  /** The chunk of each stem, or null when it has to be fetched first. */
  get(chunk: number): AudioBuffer[] | null {
    const buffers = this.ready.get(chunk)
    if (buffers === undefined) return null
    // most recently used last
    this.ready.delete(chunk)
    this.ready.set(chunk, buffers)
    return buffers
  }

  /** Fetches and decodes it, unless it is here or on its way. Rejects when it can't be had. */
  async load(chunk: number): Promise<void> {
    if (this.ready.has(chunk)) return
    let loading = this.loading.get(chunk)
    if (loading === undefined) {
      loading = this.fetchAll(chunk).finally(() => this.loading.delete(chunk))
      this.loading.set(chunk, loading)
    }
    return loading
  }

  close(): void {
    this.stop.abort()
    this.ready.clear()
  }

  private async fetchAll(chunk: number): Promise<void> {
    const buffers = await Promise.all(this.stems.map((_, place) => this.fetchOne(place, chunk)))
    this.ready.set(chunk, buffers)
    for (const oldest of this.ready.keys()) {
      if (this.ready.size <= KEPT) break
      this.ready.delete(oldest)
    }
  }

  private async fetchOne(place: number, chunk: number): Promise<AudioBuffer> {
    let last: unknown
    for (let tries = 0; tries < 5; tries += 1) {
      const stem = this.stems[place]
      if (stem === undefined) break
      const [from, to] = [stem.peaks.offsets[chunk] ?? 0, (stem.peaks.offsets[chunk + 1] ?? 1) - 1]
      try {
        const response = await fetch(stem.url, { headers: { Range: `bytes=${from}-${to}` }, signal: this.stop.signal })
        if (response.status === 206) return await this.context.decodeAudioData(await response.arrayBuffer())
        last = new Error(`sound: ${response.status}`)
        if (response.status === 429) await sleep(retryAfter(response, tries) * 1000, this.stop.signal)
        else await this.renew()
      } catch (error) {
        if (this.stop.signal.aborted) throw error
        last = error
        await sleep(500 * 2 ** tries, this.stop.signal)
        // Either the line is down, or a store of another origin refuses an old link and doesn't let the page see that.
        await this.renew().catch(() => undefined)
      }
    }
    throw last instanceof Error ? last : new Error('sound')
  }

  private async renew(): Promise<void> {
    const urls = await this.anew()
    this.stems = this.stems.map((stem, place) => ({ ...stem, url: urls[place] ?? stem.url }))
  }
}
