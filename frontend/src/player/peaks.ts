/** STEM.peaks.json: a waveform in audiowaveform's JSON format, version 2, and the stem's chunks for playback. */
import { fetchFile } from '../offline/current'
import type { View } from './view'

export interface Layout {
  /** Samples in each chunk but the last. */
  chunkSamples: number
  /** Samples in the whole stem. */
  samples: number
  sampleRate: number
}

export interface Peaks extends Layout {
  /** Minimum and maximum of each pixel in turn, -1 to 1. */
  pairs: Float32Array
  /** Samples of each pair. */
  samplesPerPair: number
  /** Byte offset in STEM.play of each chunk's start, and of the last one's end. */
  offsets: number[]
  /** The factor that all stems of the song were multiplied by, so that none clips. */
  gain: number
  /** Where STEM.play has a finer waveform; null: a song of an older version has none. */
  fine: FineLayout | null
  /** Beats of the song in seconds; empty: it has no clear beat. */
  beats: number[]
}

export interface FineLayout {
  samplesPerPair: number
  /** In bytes. */
  offset: number
  /** In pairs. */
  length: number
}

interface PeaksFile {
  bits: number
  sample_rate: number
  samples_per_pixel: number
  data: number[]
  play: { chunk_samples: number; samples: number; offsets: number[]; gain?: number }
  fine?: { samples_per_pixel: number; offset: number; length: number }
  beats?: number[]
}

export function parsePeaks(file: PeaksFile): Peaks {
  const fullScale = 2 ** (file.bits - 1)
  return {
    sampleRate: file.sample_rate,
    pairs: Float32Array.from(file.data, (value) => value / fullScale),
    chunkSamples: file.play.chunk_samples,
    samples: file.play.samples,
    samplesPerPair: file.samples_per_pixel,
    offsets: file.play.offsets,
    gain: file.play.gain ?? 1, // files of older versions don't say it
    fine: file.fine === undefined ? null : { ...file.fine, samplesPerPair: file.fine.samples_per_pixel },
    beats: file.beats ?? [],
  }
}

export async function fetchPeaks(url: string): Promise<Peaks> {
  const response = await fetchFile(url)
  if (!response.ok) throw new Error(`peaks: status ${response.status}`)
  return parsePeaks((await response.json()) as PeaksFile)
}

/** Peak level over all stems, 0 to 1. All lanes are drawn on this scale, so that they can be compared. */
export function peakLevel(stems: readonly Peaks[]): number {
  let peak = 0
  for (const { pairs } of stems) for (const value of pairs) peak = Math.max(peak, Math.abs(value))
  return peak
}

/** The waveform of all stems together: the loudest of them at each place. */
export function combined(stems: readonly Level[]): Level | null {
  const [first, ...others] = stems
  if (first === undefined) return null
  const pairs = Float32Array.from(first.pairs)
  for (const { pairs: more } of others)
    for (let index = 0; index < pairs.length; index += 1) {
      const [one, other] = [pairs[index] ?? 0, more[index] ?? 0]
      if (Math.abs(other) > Math.abs(one)) pairs[index] = other
    }
  return { pairs, samplesPerPair: first.samplesPerPair }
}

/** A waveform: minimum and maximum of each `samplesPerPair` samples in turn. */
export interface Level {
  pairs: Float32Array
  samplesPerPair: number
}

/** The waveform of a part of the song in `count` columns: minimum and maximum of each in turn. */
export function columns({ pairs, samplesPerPair }: Level, { from: start, to: stop }: View, count: number): Float32Array {
  const pixels = pairs.length / 2
  const pairAt = (column: number) => (start + (column * (stop - start)) / count) / samplesPerPair
  const out = new Float32Array(count * 2)
  for (let column = 0; column < count; column += 1) {
    const from = Math.floor(pairAt(column))
    const to = Math.max(from + 1, Math.floor(pairAt(column + 1)))
    let low = 1
    let high = -1
    for (let pixel = from; pixel < Math.min(to, pixels); pixel += 1) {
      low = Math.min(low, pairs[2 * pixel] ?? 0)
      high = Math.max(high, pairs[2 * pixel + 1] ?? 0)
    }
    out[2 * column] = low > high ? 0 : low
    out[2 * column + 1] = low > high ? 0 : high
  }
  return out
}
