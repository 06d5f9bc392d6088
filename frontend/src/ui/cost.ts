/** What a choice costs in time. */
import type { Model } from '../api/types'
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
