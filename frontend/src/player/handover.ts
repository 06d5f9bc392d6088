/** Songs that sound when their separation ends: the player of the finished stems goes on with them. */
import { Engine, type EngineFiles } from './engine'
import type { StemSource } from './chunks'
import type { OriginalSound } from './original'

const TAKEN_WITHIN_MS = 5000 // otherwise the card is closed, and they end
const CROSSFADE_S = 0.06

interface Sounding {
  engine: Engine | null
  original: OriginalSound | null
  /** Place of the stems' start in the original, in seconds. */
  offset: number
}

const waiting = new Map<string, Sounding>()

/** Whether a song sounds that nothing shows. */
export function isWaiting(id: string): boolean {
  return waiting.has(id)
}

/** Leave what sounds to the player of the finished stems. */
export function handOver(id: string, sounding: Sounding): void {
  waiting.set(id, sounding)
  setTimeout(() => {
    if (waiting.get(id) !== sounding) return
    waiting.delete(id)
    close(sounding)
  }, TAKEN_WITHIN_MS)
}

/** The engine of a finished song: the one that plays it already, or a new one that begins where the original is. */
export function openEngine(id: string, files: EngineFiles): { engine: Engine; goesOn: boolean } {
  const { stems, freshUrls, onChange, beats } = files
  const create = () => new Engine(stems, freshUrls, onChange, beats)
  const sounding = waiting.get(id)
  waiting.delete(id)
  if (sounding === undefined) return { engine: create(), goesOn: false }
  const { engine, original, offset } = sounding
  if (engine !== null && fits(engine, stems)) {
    original?.close()
    engine.useFiles(files)
    return { engine, goesOn: true }
  }
  const created = create()
  const { sampleRate } = created.layout
  const seconds = () => (engine === null ? (original?.seconds ?? 0) - offset : engine.position / engine.layout.sampleRate)
  created.seek(seconds() * sampleRate)
  void created
    .enter((delay) => (seconds() + delay) * sampleRate, CROSSFADE_S)
    .catch(() => null)
    .then((delay) => {
      if (engine !== null) engine.pause()
      else original?.fadeOut(delay ?? 0, CROSSFADE_S)
      if (delay === null) void created.play()
    })
    .finally(() => setTimeout(() => close(sounding), 1000))
  return { engine: created, goesOn: true }
}

function fits({ layout, names }: Engine, stems: readonly StemSource[]): boolean {
  return (
    names.join() === stems.map((stem) => stem.name).join() &&
    stems.every(({ peaks }) => peaks.chunkSamples === layout.chunkSamples && peaks.samples === layout.samples)
  )
}

function close({ engine, original }: Sounding): void {
  engine?.close()
  original?.close()
}
