/** The pieces of a song that is being separated (docs/api.md): their waveforms, and their chunks for the engine. */
import type { Client } from '../api/client'
import type { EarlyPiece, EarlyPieces } from '../api/types'
import { amplify, type EarlyChunks } from './chunks'
import type { Layout } from './peaks'

export const PAIRS_PER_S = 10
const FIRST_BYTES = 16384 // of a piece; its first line rarely has more
const RETRY_MS = 1000

interface Header {
  gain: number
  stems: string[]
  /** Minimum and maximum of each tenth of a second, -128 to 127, of each stem. */
  peaks: number[][]
  /** Bytes of each stem's chunk, for each chunk. */
  lengths: number[][]
}

interface Piece extends EarlyPiece {
  header: Header
  /** Byte at which its first chunk begins. */
  start: number
}

export class Pieces implements EarlyChunks {
  /** Names of the stems, in the order of their channels; empty: nothing can be played yet. */
  stems: readonly string[] = []
  layout: Layout | null = null
  /** Number of samples from the start that can be played. */
  ready = 0
  private attempt: string | null = null
  private pieces: Piece[] = []
  private fetching = false
  private retryAt = 0

  /** `onChange` is called when there is more. `order` sorts the names of stems. */
  constructor(
    private readonly client: Client,
    private readonly id: string,
    private readonly order: (stems: readonly string[]) => readonly string[],
    private readonly onChange: () => void,
  ) {}

  /** Fetch what is new. Errors are ignored: the next status tries again. */
  async update(): Promise<void> {
    if (this.fetching) return
    this.fetching = true
    try {
      while (await this.fetchNew()) this.onChange()
    } catch {
      // The song is done meanwhile, or the connection is down.
    } finally {
      this.fetching = false
    }
  }

  /** Minimum and maximum of each tenth of a second of a stem's first part, -1 to 1. */
  peaksOf(stem: string): Float32Array {
    const levels = this.pieces.flatMap(({ header }) => header.peaks[header.stems.indexOf(stem)] ?? [])
    return Float32Array.from(levels, (level) => level / 128)
  }

  async load(context: BaseAudioContext, chunk: number, signal: AbortSignal): Promise<AudioBuffer[] | null> {
    const piece = this.pieces.find(({ first_chunk, chunks }) => chunk >= first_chunk && chunk < first_chunk + chunks)
    if (piece === undefined || Date.now() < this.retryAt) return null
    const { header } = piece
    const lengths = header.lengths.slice(0, chunk - piece.first_chunk + 1)
    const own = lengths.pop() ?? []
    const from = piece.start + lengths.flat().reduce((sum, length) => sum + length, 0)
    try {
      const bytes = await range(piece.url, from, from + own.reduce((sum, length) => sum + length, 0), signal)
      const ends = own.map((_, index) => own.slice(0, index + 1).reduce((sum, length) => sum + length, 0))
      const decoded = await Promise.all(
        ends.map((end, index) => context.decodeAudioData(bytes.slice(end - (own[index] ?? 0), end))),
      )
      for (const buffer of decoded) amplify(buffer, header.gain)
      return this.stems.flatMap((stem) => decoded[header.stems.indexOf(stem)] ?? [])
    } catch (error) {
      if (signal.aborted) throw error
      this.retryAt = Date.now() + RETRY_MS
      const fresh = await this.client.pieces(this.id, piece.number).catch(() => null)
      if (fresh?.attempt === this.attempt) piece.url = fresh.pieces[0]?.url ?? piece.url // the link had expired
      return null
    }
  }

  /** Returns whether there was something new. */
  private async fetchNew(): Promise<boolean> {
    const answer = await this.client.pieces(this.id, this.pieces.length)
    if (answer.attempt === null) return false // the song is done, or waits for another worker
    if (answer.attempt !== this.attempt) {
      // Another worker has begun again. All pieces so far belong to the attempt before.
      const before = this.attempt
      this.forget(answer)
      if (before !== null) {
        this.onChange()
        return this.layout !== null && this.fetchNew()
      }
    }
    const added = await Promise.all(answer.pieces.map(withHeader))
    if (answer.attempt !== this.attempt || this.layout === null) return false
    this.pieces.push(...added)
    const chunks = this.pieces.reduce((sum, piece) => sum + piece.chunks, 0)
    this.ready = Math.min(chunks * this.layout.chunkSamples, this.layout.samples)
    return added.length > 0
  }

  private forget(answer: EarlyPieces): void {
    const { sample_rate: sampleRate, chunk_samples: chunkSamples, samples } = answer
    const known = sampleRate !== null && chunkSamples !== null && samples !== null
    this.attempt = answer.attempt
    this.layout = known ? { sampleRate, chunkSamples, samples } : null
    this.stems = this.order(answer.stems)
    this.pieces = []
    this.ready = 0
  }
}

async function withHeader(piece: EarlyPiece): Promise<Piece> {
  for (let size = FIRST_BYTES; ; size *= 4) {
    const bytes = new Uint8Array(await range(piece.url, 0, size))
    const end = bytes.indexOf(10)
    if (end >= 0) {
      return { ...piece, header: JSON.parse(new TextDecoder().decode(bytes.subarray(0, end))) as Header, start: end + 1 }
    }
    if (bytes.length < size) throw new Error('piece without a first line')
  }
}

/** Fetch the bytes `from` to `to` (excluded) of a file, or up to its end. */
async function range(url: string, from: number, to: number, signal?: AbortSignal): Promise<ArrayBuffer> {
  const response = await fetch(url, { headers: { Range: `bytes=${from}-${to - 1}` }, signal: signal ?? null })
  if (response.status !== 206) throw new Error(`piece: status ${response.status}`)
  return response.arrayBuffer()
}
