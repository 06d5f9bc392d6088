/** Cache of decoded chunks around the playhead. Its size does not depend on the song's length. */
import { retryAfter, sleep } from '../api/http'
import { fetchFile } from '../offline/current'
import type { Peaks } from './peaks'

const CACHED_CHUNKS = 6 // of 5 s: 42 MB for four stereo stems at 44.1 kHz
const MAX_TRIES = 5

export interface StemSource {
  name: string
  url: string
  peaks: Peaks
}

/** Chunks of a song that is being separated. */
export interface EarlyChunks {
  /** The chunk of each stem, or null if it isn't there (yet). */
  load(context: BaseAudioContext, chunk: number, signal: AbortSignal): Promise<AudioBuffer[] | null>
}

/** Multiply all samples. */
export function amplify(buffer: AudioBuffer, gain: number): void {
  for (let channel = 0; channel < buffer.numberOfChannels; channel += 1) {
    // Also without a change: Chromium counts the samples as memory of the page only once they have been asked for, and
    // collects old chunks too late otherwise.
    const samples = buffer.getChannelData(channel)
    if (gain === 1) continue
    for (let index = 0; index < samples.length; index += 1) samples[index] = (samples[index] ?? 0) * gain
  }
}

export class ChunkCache {
  private decoded = new Map<number, AudioBuffer[]>()
  private loading = new Map<number, Promise<void>>()
  private abort = new AbortController()

  private gain = 1

  /**
   * `freshUrls` returns new addresses, in the order of the stems, for expired ones. `early`: the song is being separated,
   * so its chunks come from there until `useFiles` is called.
   */
  constructor(
    private readonly context: BaseAudioContext,
    private stems: readonly StemSource[],
    private freshUrls: () => Promise<readonly string[]>,
    private early: EarlyChunks | null = null,
  ) {}

  /** The song is done: fetch all further chunks from its files, and multiply them by `gain`. */
  useFiles(stems: readonly StemSource[], freshUrls: () => Promise<readonly string[]>, gain: number): void {
    this.stems = stems
    this.freshUrls = freshUrls
    this.gain = gain
    this.early = null
  }

  /** The chunk of each stem, or null if it is not loaded. */
  get(chunk: number): AudioBuffer[] | null {
    const buffers = this.decoded.get(chunk)
    if (buffers === undefined) return null
    // The map's order is least recently used first.
    this.decoded.delete(chunk)
    this.decoded.set(chunk, buffers)
    return buffers
  }

  /** Fetch and decode a chunk, unless it is loaded or loading, or isn't separated yet. Rejects if that fails after several tries. */
  async load(chunk: number): Promise<void> {
    if (this.decoded.has(chunk)) return
    let loading = this.loading.get(chunk)
    if (loading === undefined) {
      loading = this.loadStems(chunk).finally(() => this.loading.delete(chunk))
      this.loading.set(chunk, loading)
    }
    return loading
  }

  close(): void {
    this.abort.abort()
    this.decoded.clear()
  }

  private async loadStems(chunk: number): Promise<void> {
    const { early } = this
    const buffers =
      early === null
        ? await Promise.all(this.stems.map((_, index) => this.loadStem(index, chunk)))
        : await early.load(this.context, chunk, this.abort.signal)
    if (buffers === null) return
    this.decoded.set(chunk, buffers)
    for (const oldest of this.decoded.keys()) {
      if (this.decoded.size <= CACHED_CHUNKS) break
      this.decoded.delete(oldest)
    }
  }

  private async loadStem(index: number, chunk: number): Promise<AudioBuffer> {
    const { signal } = this.abort
    let lastError: unknown
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      const stem = this.stems[index]
      if (stem === undefined) break
      const [from, to] = [stem.peaks.offsets[chunk] ?? 0, (stem.peaks.offsets[chunk + 1] ?? 1) - 1]
      try {
        const response = await fetchFile(stem.url, { headers: { Range: `bytes=${from}-${to}` }, signal })
        if (response.status === 206) {
          const buffer = await this.context.decodeAudioData(await response.arrayBuffer())
          amplify(buffer, this.gain)
          return buffer
        }
        lastError = new Error(`audio chunk: status ${response.status}`)
        if (response.status === 429) await sleep(retryAfter(response, tries) * 1000, signal)
        else await this.refreshUrls()
      } catch (error) {
        if (signal.aborted) throw error
        lastError = error
        await sleep(500 * 2 ** tries, signal)
        // The connection is down, or the link has expired: the page can't read the refusal of another origin.
        await this.refreshUrls().catch(() => undefined)
      }
    }
    throw lastError instanceof Error ? lastError : new Error('audio chunk')
  }

  private async refreshUrls(): Promise<void> {
    const urls = await this.freshUrls()
    this.stems = this.stems.map((stem, index) => ({ ...stem, url: urls[index] ?? stem.url }))
  }
}
