/** Which models can separate a stem further, and into what. */
import type { Model, Models } from '../api/types'
import { partName, stemsInWords } from '../lib/stems'

export interface SplitOption {
  model: string
  /** "Drums, bass and other" */
  parts: string
  seconds: number
  installed: boolean
  sizeBytes: number
}

const REST = 'other'
const INSTRUMENTS = ['vocals', 'drums', 'bass', 'guitar', 'piano']
/** Parts of a voice, in the names of models for karaoke, reverberation and noise. */
const VOICE_PARTS = /lead|backing|reverb|dry|echo|noise/
const VOICE_MODELS = /karaoke|reverb|noise|breath/
/** Parts of a drum kit. */
const DRUM_PARTS = /kick|snare|tom|cymbal|hat|hh/

/** The models that make sense for a stem, the quickest first. `songS`: length of the song in seconds. */
export function splitOptions(stem: string, models: Models | null, songS: number): SplitOption[] {
  if (models === null) return []
  return models.models
    .filter((model) => (model.installed || models.downloads) && suits(model, stem))
    .map((model) => ({
      model: model.name,
      parts: stemsInWords(model.stems.map((part) => partName(stem, part))),
      seconds: songS * model.secondsPerSecond.all,
      installed: model.installed,
      sizeBytes: model.sizeBytes,
    }))
    .sort((a, b) => a.seconds - b.seconds)
}

function suits({ name, stems }: Model, stem: string): boolean {
  if (stem === 'vocals') return VOICE_MODELS.test(name) || stems.some((part) => VOICE_PARTS.test(part))
  if (stem === 'drums') return stems.some((part) => DRUM_PARTS.test(part))
  if (stem !== REST && !stem.startsWith('no_')) return false
  // A mixture: the model has to know at least two instruments in it.
  const absent = stem.startsWith('no_') ? [stem.slice(3)] : ['vocals', 'drums', 'bass']
  const known = stems.filter((part) => INSTRUMENTS.includes(part) && !absent.includes(part))
  return known.length >= 2
}
