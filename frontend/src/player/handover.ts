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

interface Waiting extends Sounding {
  end: ReturnType<typeof setTimeout>
}

const waiting = new Map<string, Waiting>()
const listeners = new Set<() => void>()

/** Call `listener` when a song starts or ends to wait, and when it is paused or goes on. */
export function subscribeWaiting(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

/** Whether a song was handed over that no player has taken yet. */
export function isWaiting(id: string): boolean {
  return waiting.has(id)
}

/** Whether it sounds. */
export function waitingPlays(id: string): boolean {
  const sound = soundOf(id)
  return sound !== null && sound.playing
}

/** Pause it, or let it go on. */
export function toggleWaiting(id: string): void {
  const sound = soundOf(id)
  if (sound?.playing === true) sound.pause()
  else void sound?.play().then(changed, () => undefined)
  changed()
}

/** Leave what sounds to the player of the finished stems. */
export function handOver(id: string, sounding: Sounding): void {
  waiting.set(id, { ...sounding, end: setTimeout(() => drop(id), TAKEN_WITHIN_MS) })
  changed()
}

/** Let it sound until `openEngine` takes it, however long the player loads. Returns a function that ends it otherwise. */
export function keepWaiting(id: string): () => void {
  const kept = waiting.get(id)
  if (kept === undefined) return () => undefined
  clearTimeout(kept.end)
  return () => waiting.get(id) === kept && drop(id)
}

/** The engine of a finished song: the one that plays it already, or a new one that begins where the original is. */
export function openEngine(id: string, files: EngineFiles): { engine: Engine; goesOn: boolean } {
  const { stems, freshUrls, onChange, beats } = files
  const create = () => new Engine(stems, freshUrls, onChange, beats)
  const sounding = waiting.get(id)
  if (sounding === undefined) return { engine: create(), goesOn: false }
  const playing = waitingPlays(id)
  clearTimeout(sounding.end)
  waiting.delete(id)
  changed()
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
  if (playing) void cross(sounding, created, seconds)
  else {
    close(sounding)
    created.prefetch()
  }
  return { engine: created, goesOn: true }
}

async function cross(sounding: Sounding, created: Engine, seconds: () => number): Promise<void> {
  const { sampleRate } = created.layout
  const entered = await created.enter((delay) => (seconds() + delay) * sampleRate, CROSSFADE_S)
  if (sounding.engine !== null) sounding.engine.pause()
  else sounding.original?.fadeOut(typeof entered === 'number' ? entered : 0, CROSSFADE_S)
  if (entered === 'impossible') void created.play()
  setTimeout(() => close(sounding), 1000)
}

function fits({ layout, names }: Engine, stems: readonly StemSource[]): boolean {
  return (
    names.join() === stems.map((stem) => stem.name).join() &&
    stems.every(({ peaks }) => peaks.chunkSamples === layout.chunkSamples && peaks.samples === layout.samples)
  )
}

function soundOf(id: string): Engine | OriginalSound | null {
  const { engine, original } = waiting.get(id) ?? { engine: null, original: null }
  return engine ?? original
}

function drop(id: string): void {
  const dropped = waiting.get(id)
  waiting.delete(id)
  if (dropped !== undefined) close(dropped)
  changed()
}

function changed(): void {
  for (const listener of listeners) listener()
}

function close({ engine, original }: Sounding): void {
  engine?.close()
  original?.close()
}
