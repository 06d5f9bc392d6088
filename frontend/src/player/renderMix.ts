/** Render a mix as the player sounds, with tempo, key, pan and click, faster than it plays. */
import { isDrums } from '../lib/stems'
import { ChunkCache, type StemSource } from './chunks'
import { Clicks } from './clicks'
import { Output, type Practice } from './output'
import { Strip } from './strip'
import { wavFile } from './wavFile'

/** The change of key needs a moment before its first sound; what it adds is cut off. It has about 0.15 s. */
const MOST_LATENCY_S = 1
/** How long before a chunk sounds it is scheduled. */
const AHEAD_S = 0.5
const QUANTUM = 128 // samples that the browser renders at a time

export interface MixedStem extends StemSource {
  gain: number
  pan: number
}

export interface MixTask {
  /** The stems that sound. */
  stems: readonly MixedStem[]
  practice: Practice
  /** null: without the click. */
  click: { gain: number; pan: number; beats: readonly number[] } | null
  freshUrls: () => Promise<readonly string[]>
  /** Receives 0 to 1. */
  onProgress: (fraction: number) => void
  signal: AbortSignal
}

/**
 * A WAV file of 16 bit. A mix that would clip is made quieter as a whole, like the server's. Rejects with AbortError, and
 * if the audio can't be loaded or the song is too long for the browser's memory.
 */
export async function renderMix({ stems, practice, click, freshUrls, onProgress, signal }: MixTask): Promise<Blob> {
  const layout = stems[0]?.peaks
  if (layout === undefined) throw new Error('no stems')
  const { samples, sampleRate, chunkSamples } = layout
  const length = Math.round(samples / practice.tempo)
  const context = new OfflineAudioContext(2, length + Math.round(MOST_LATENCY_S * sampleRate), sampleRate)
  const chunks = new ChunkCache(context, stems, freshUrls)
  const output = new Output(context)
  await output.change(practice)
  const inputs = stems.map(({ name, gain, pan }) => {
    const strip = new Strip(context, output.entry(isDrums(name)))
    strip.set(gain, pan)
    return strip.input
  })
  const clickStrip = new Strip(context, output.clicks)
  clickStrip.set(click?.gain ?? 0, click?.pan ?? 0)
  const clicks = new Clicks(context, clickStrip.input, click?.beats ?? [])

  const timeOf = (chunk: number) => (chunk * chunkSamples) / sampleRate / practice.tempo
  const count = Math.ceil(samples / chunkSamples)
  const schedule = async (chunk: number) => {
    await chunks.load(chunk)
    signal.throwIfAborted()
    chunks.get(chunk)?.forEach((buffer, stem) => {
      const node = new AudioBufferSourceNode(context, { buffer, playbackRate: practice.tempo })
      const input = inputs[stem]
      if (input !== undefined) node.connect(input)
      node.start(timeOf(chunk))
    })
    const start = chunk * chunkSamples
    const piece = { at: timeOf(chunk), start, length: Math.min(chunkSamples, samples - start), tempo: practice.tempo }
    clicks.schedule(piece, sampleRate)
    onProgress(chunk / count)
    if (chunk + 1 < count) void chunks.load(chunk + 1).catch(() => undefined) // while this one is rendered
  }

  return new Promise((resolve, reject) => {
    const fail = (error: unknown) => {
      chunks.close()
      reject(error instanceof Error ? error : new Error(String(error)))
    }
    signal.addEventListener('abort', () => fail(signal.reason))
    // One chunk after another, so that memory holds a few of them. Firefox needs all of them first.
    const inSteps = 'suspend' in context
    for (let chunk = 1; inSteps && chunk < count; chunk += 1) {
      const at = Math.floor(((timeOf(chunk) - AHEAD_S) * sampleRate) / QUANTUM) * QUANTUM
      context.suspend(at / sampleRate).then(async () => {
        await schedule(chunk)
        await context.resume()
      }).catch(fail) // prettier-ignore
    }
    const first = async () => {
      for (let chunk = 0; chunk < (inSteps ? 1 : count); chunk += 1) await schedule(chunk)
    }
    first()
      .then(() => context.startRendering())
      .then((rendered) => {
        chunks.close()
        const channels = [rendered.getChannelData(0), rendered.getChannelData(1)]
        const start = Math.round(output.latency * sampleRate)
        resolve(wavFile(channels, sampleRate, start, length, 1 / Math.max(1, peak(channels))))
      })
      .catch(fail)
  })
}

function peak(channels: readonly Float32Array[]): number {
  let highest = 0
  for (const samples of channels) for (const sample of samples) highest = Math.max(highest, Math.abs(sample))
  return highest
}
