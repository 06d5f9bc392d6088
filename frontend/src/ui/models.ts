/** Which models, stems and formats can be chosen, and how long a separation takes. */
import type { Choices, Model, Models, ServerConfig } from '../api/types'
import { inDisplayOrder } from '../lib/stems'

export const TYPICAL_SONG_S = 240 // for estimates before there is a song

/** The model that the server uses for `auto`: FIRST_CHOICE in src/unbraid/models/auto.py. */
const AUTO_MODEL = 'htdemucs'

/** The model of a choice. The first one if it is missing, as `auto` falls back to the bundled model. */
export function modelFor(choice: string, models: readonly Model[]): Model | undefined {
  return models.find((model) => model.name === (choice === 'auto' ? AUTO_MODEL : choice)) ?? models[0]
}

/** Choices of stems for a model: a stem and the rest, or all stems. */
export function stemChoices(model: Model | undefined): string[] {
  const stems = inDisplayOrder(model?.stems ?? ['vocals']).filter((stem) => !stem.startsWith('no_'))
  if (stems.length < 2) return ['vocals']
  return ['vocals', 'all', ...stems.filter((stem) => stem !== 'vocals' && stem !== 'other')]
}

export function separationSeconds(model: Model, stems: string, songSeconds: number): number {
  return songSeconds * (stems === 'all' ? model.secondsPerSecond.all : model.secondsPerSecond.one)
}

/** The remembered choices, without those that this server does not offer. */
export function availableChoices(choices: Choices, models: Models | null, config: ServerConfig): Choices {
  const format = config.formats.includes(choices.format) ? choices.format : (config.formats[0] ?? 'wav')
  const notify = config.mail ? choices.notify : ''
  if (models === null) return { ...choices, format, notify }
  const known = choices.model === models.default || models.models.some((model) => model.name === choices.model)
  const model = known ? choices.model : models.default
  return { ...choices, model, stems: availableStems(choices.stems, modelFor(model, models.models)), format, notify }
}

/** A choice of stems, or the default where the model does not have them. */
export function availableStems(stems: string, model: Model | undefined): string {
  return stemChoices(model).includes(stems) ? stems : 'vocals'
}
