/** Audio contexts of the page. */
import { sleep } from '../api/http'

const RESUME_MS = 300

/** A context at the song's sample rate, so that nothing is resampled. Without browser support each chunk is. */
export function contextAt(sampleRate: number): AudioContext {
  try {
    return new AudioContext({ sampleRate, latencyHint: 'playback' })
  } catch {
    return new AudioContext({ latencyHint: 'playback' })
  }
}

/** Let a context run. It doesn't while the browser forbids sound. */
export async function resume(context: AudioContext): Promise<void> {
  if (context.state !== 'running') await Promise.race([context.resume(), sleep(RESUME_MS)])
}
