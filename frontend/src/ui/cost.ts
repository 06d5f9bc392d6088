/** Which choices there are, and what they cost in time. */
import type { Choices, Model, Models, ServerConfig } from '../api/types'
import { sorted } from '../lib/stems'

export const TYPICAL_S = 240 // of a song, to give an idea before there is one

/** The model a choice stands for. `auto` takes the published one, and the bundled one only where that can't be had. */
export function modelFor(choice: string, models: readonly Model[]): Model | undefined {
  return models.find((model) => model.name === (choice === 'auto' ? 'htdemucs' : choice)) ?? models[0]
}

/** What may be asked of a model: each stem against the rest, or all of them. */
export function stemChoices(model: Model | undefined): string[] {
  const stems = sorted(model?.stems ?? ['vocals'])
  const single = ['vocals', ...stems.filter((stem) => stem !== 'vocals' && stem !== 'other')]
  return stems.length > 1 ? ['vocals', 'all', ...single.slice(1)] : single
}

export function secondsFor(model: Model, stems: string, songSeconds: number): number {
  return songSeconds * (stems === 'all' ? model.secondsPerSecond.all : model.secondsPerSecond.one)
}

/** The choices as far as this server has them: they may have been made before its settings changed. */
export function possible(choices: Choices, models: Models | null, config: ServerConfig): Choices {
  const format = config.formats.includes(choices.format) ? choices.format : (config.formats[0] ?? 'wav')
  const notify = config.mail ? choices.notify : ''
  if (models === null) return { ...choices, format, notify }
  const known = choices.model === models.default || models.models.some((model) => model.name === choices.model)
  const model = known ? choices.model : models.default
  const stems = stemChoices(modelFor(model, models.models)).includes(choices.stems) ? choices.stems : 'vocals'
  return { ...choices, model, stems, format, notify }
}
