/** Which models can separate a stem further, and into what. */
import type { Model, Models } from '../api/types'
import { namesInWords, partName, stemName } from '../lib/stems'

export interface SplitOption {
  model: string
  /** "Drums, bass and other" */
  parts: string
  seconds: number
  installed: boolean
  sizeBytes: number
  licenceKnown: boolean
}

const REST = 'other'
const INSTRUMENTS = ['vocals', 'drums', 'bass', 'guitar', 'piano']
const CLEANING = { dereverb: 'dry', denoise: 'clean' }
/** The purposes that are for a stem, by their words, and a part that models for it have (`questions.toml`). */
const PURPOSES: Record<string, Readonly<Record<string, string>>> = {
  vocals: { lead_backing: 'lead_vocals', ...CLEANING },
  lead_vocals: CLEANING,
  drums: { drum_pieces: 'kick' },
}

/** The models that make sense for a stem, the quickest first. `songS`: length of the song in seconds. */
export function splitOptions(stem: string, models: Models | null, songS: number): SplitOption[] {
  if (models === null) return []
  return models.models
    .filter((model) => (model.installed || models.downloads) && suits(model, stem))
    .map((model) => optionOf(model, namesInWords(model.stems.map((part) => partName(stem, part))), songS))
    .sort((a, b) => a.seconds - b.seconds)
}

/** The models that can be tried on a part of a song that `used` has separated, the quickest first. */
export function comparisonOptions(used: string | null | undefined, models: Models | null, partS: number): SplitOption[] {
  if (models === null) return []
  return models.models
    .filter((model) => (model.installed || models.downloads) && model.name !== used && model.stems.length > 1)
    .map((model) => optionOf(model, namesInWords(model.stems.map(stemName)), partS))
    .sort((a, b) => a.seconds - b.seconds)
}

function optionOf(model: Model, parts: string, seconds: number): SplitOption {
  return {
    model: model.name,
    parts,
    seconds: seconds * model.secondsPerSecond.all,
    installed: model.installed,
    sizeBytes: model.sizeBytes,
    licenceKnown: model.licence !== 'unknown',
  }
}

function suits({ answers = [], stems }: Model, stem: string): boolean {
  const purposes = PURPOSES[stem]
  if (purposes !== undefined) {
    // A model that a deployment has added has no purpose.
    if (answers.length === 0) return Object.values(purposes).some((part) => stems.includes(part))
    return Object.keys(purposes).some((word) => answers.includes(word))
  }
  if (stem !== REST && !stem.startsWith('no_')) return false
  // A mixture: the model has to know at least two instruments in it.
  const absent = stem.startsWith('no_') ? [stem.slice(3)] : ['vocals', 'drums', 'bass']
  const known = stems.filter((part) => INSTRUMENTS.includes(part) && !absent.includes(part))
  return known.length >= 2
}
