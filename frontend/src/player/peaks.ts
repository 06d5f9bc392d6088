/** STEM.peaks.json: a waveform in audiowaveform's JSON format, version 2, and the stem's chunks for playback. */

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
  /** Byte offset in STEM.play of each chunk's start, and of the last one's end. */
  offsets: number[]
}

interface PeaksFile {
  bits: number
  sample_rate: number
  data: number[]
  play: { chunk_samples: number; samples: number; offsets: number[] }
}

export function parsePeaks(file: PeaksFile): Peaks {
  const fullScale = 2 ** (file.bits - 1)
  return {
    sampleRate: file.sample_rate,
    pairs: Float32Array.from(file.data, (value) => value / fullScale),
    chunkSamples: file.play.chunk_samples,
    samples: file.play.samples,
    offsets: file.play.offsets,
  }
}

export async function fetchPeaks(url: string): Promise<Peaks> {
  const response = await fetch(url)
  if (!response.ok) throw new Error(`peaks: status ${response.status}`)
  return parsePeaks((await response.json()) as PeaksFile)
}

/** Peak level over all stems, 0 to 1. All lanes are drawn on this scale, so that they can be compared. */
export function peakLevel(stems: readonly Peaks[]): number {
  let peak = 0
  for (const { pairs } of stems) for (const value of pairs) peak = Math.max(peak, Math.abs(value))
  return peak
}

/** Resample a waveform to `count` columns: minimum and maximum of each in turn. */
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
