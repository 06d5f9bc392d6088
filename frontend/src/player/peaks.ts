/** STEM.peaks.json: a waveform in audiowaveform's JSON format, version 2, and where to play the stem from. */

export interface Layout {
  /** Samples in each chunk but the last. */
  chunkSamples: number
  /** In the whole stem. */
  samples: number
  sampleRate: number
}

export interface Peaks extends Layout {
  samplesPerPixel: number
  /** Minimum and maximum of each pixel by turns, -1 to 1. */
  pairs: Float32Array
  /** Where each chunk begins in STEM.play, and where the last one ends; bytes. */
  offsets: number[]
}

interface PeaksFile {
  bits: number
  sample_rate: number
  samples_per_pixel: number
  data: number[]
  play: { chunk_samples: number; samples: number; offsets: number[] }
}

export function parsePeaks(file: PeaksFile): Peaks {
  const full = 2 ** (file.bits - 1)
  return {
    sampleRate: file.sample_rate,
    samplesPerPixel: file.samples_per_pixel,
    pairs: Float32Array.from(file.data, (value) => value / full),
    chunkSamples: file.play.chunk_samples,
    samples: file.play.samples,
    offsets: file.play.offsets,
  }
}

export async function fetchPeaks(url: string): Promise<Peaks> {
  const response = await fetch(url)
  if (!response.ok) throw new Error(`peaks: ${response.status}`)
  return parsePeaks((await response.json()) as PeaksFile)
}

/** The loudest moment of all stems: what the height of a lane stands for, so that lanes can be compared. */
export function loudest(stems: readonly Peaks[]): number {
  let most = 0
  for (const { pairs } of stems) for (const value of pairs) most = Math.max(most, Math.abs(value))
  return most
}

/** The waveform for `columns` columns of equal length: the minimum and maximum of each by turns. */
export function columns(pairs: Float32Array, count: number): Float32Array {
  const pixels = pairs.length / 2
  const out = new Float32Array(count * 2)
  for (let column = 0; column < count; column += 1) {
    const from = Math.floor((column * pixels) / count)
    const to = Math.max(from + 1, Math.floor(((column + 1) * pixels) / count))
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
