/** The finer waveform of a stem: bytes behind its chunks, fetched when the timeline shows a few seconds. */
import { fetchFile } from '../offline/current'
import type { Level, Peaks } from './peaks'

const FULL_SCALE = 128

/** null if the stem has none, or the file no longer has it. */
export async function fetchFine(url: string, { fine }: Peaks): Promise<Level | null> {
  if (fine === null) return null
  const { offset, length, samplesPerPair } = fine
  const response = await fetchFile(url, { headers: { Range: `bytes=${offset}-${offset + 2 * length - 1}` } })
  if (response.status !== 206) throw new Error(`waveform: status ${response.status}`)
  const bytes = new Int8Array(await response.arrayBuffer())
  return { pairs: Float32Array.from(bytes, (value) => value / FULL_SCALE), samplesPerPair }
}
