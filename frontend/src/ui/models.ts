/** Which models, stems and formats can be chosen, and how long a separation takes. */
import type { Choices, Model, Models, ServerConfig, UsedModel } from '../api/types'
import { isTime } from '../lib/format'
import { inDisplayOrder, namesInWords, neededStem, STEM_FILE } from '../lib/stems'

export const TYPICAL_SONG_S = 240 // for estimates before there is a song

/** Names in the menu for choices of any purpose, in its order: the words of the command line's --quality. */
const MAIN_CHOICES: Record<string, string> = {
  fast: 'Fast',
  auto: 'Balanced',
  best: 'Best',
}

export interface Menu {
  main: string[]
  /** Words of purposes, such as `karaoke`. */
  purposes: string[]
  byName: string[]
}

/** The values of `Choices.model` that this server offers. */
export function menuOf({ models, choices, downloads }: Models): Menu {
  const names = models.filter((model) => model.installed || downloads).map((model) => model.name)
  const offered = new Set(choices.map((choice) => choice.name))
  const usable = choices.filter(({ title, stems }) => typeof title === 'string' && (downloads || stems['all']?.installed === true))
  return {
    main: Object.keys(MAIN_CHOICES).filter((name) => offered.has(name)),
    purposes: usable.map((choice) => choice.name),
    byName: names,
  }
}

/** Whether a choice is a quality, for which the server always has a model. */
export function isQuality(choice: string): boolean {
  return choice in MAIN_CHOICES
}

/** The name of a choice in the menu. */
export function choiceName(choice: string, models: Models | null): string {
  const title = models?.choices.find(({ name }) => name === choice)?.title
  return MAIN_CHOICES[choice] ?? title ?? choice
}

/** The model that the next song will use. All estimates of the page use its rate. */
export function usedModel(choice: string, stems: string, models: Models): UsedModel | undefined {
  const named = modelNamed(choice, models)
  if (named === undefined) return models.choices.find(({ name }) => name === choice)?.stems[neededStem(stems)]
  const { name, installed, sizeBytes, secondsPerSecond: cost } = named
  return { model: name, installed, sizeBytes, secondsPerSecond: stems === 'all' ? cost.all : cost.one, passedOver: {} }
}

/** Estimated seconds for a typical song; undefined if the server doesn't offer this. */
export function typicalSeconds(choice: string, stems: string, models: Models): number | undefined {
  const used = usedModel(choice, stems, models)
  return used && TYPICAL_SONG_S * used.secondsPerSecond
}

export function modelNamed(name: string, { models }: Models): Model | undefined {
  return models.find((model) => model.name === name)
}

/** Which better models are missing, and which one replaces them; empty if there are none. */
export function missingText({ model, passedOver }: UsedModel, downloads: boolean): string {
  const names = Object.keys(passedOver)
  if (names.length === 0) return ''
  const one = names.length === 1
  const why = downloads
    ? 'couldn’t be downloaded today'
    : `${one ? 'is' : 'are'} not installed, and this server downloads no models`
  return `The better ${one ? 'model' : 'models'} ${namesInWords(names)} ${why}. For now, ${model} is used instead.`
}

/** The stems that a choice separates, in display order. */
export function stemsOfChoice(choice: string, models: Models): string[] {
  const stems = modelNamed(choice, models)?.stems ?? Object.keys(models.choices.find(({ name }) => name === choice)?.stems ?? {})
  return inDisplayOrder(stems.filter((stem) => stem !== 'all'))
}

/** Choices of stems: a stem and the rest, or all stems. */
export function stemChoices(choice: string, models: Models): string[] {
  const stems = stemsOfChoice(choice, models).filter((stem) => !stem.startsWith('no_'))
  if (stems.length < 2) return [stems[0] ?? 'vocals']
  const vocals = stems.includes('vocals') ? ['vocals'] : []
  return [...vocals, 'all', ...stems.filter((stem) => stem !== 'vocals' && stem !== 'other')]
}

/** What a musician may play to a backing track. */
const PLAYED = ['vocals', 'lead_vocals', 'drums', 'bass', 'guitar', 'piano']

/** Choices of a backing track alone: the song without one instrument. */
export function backingTracks(choice: string, models: Models): string[] {
  return stemsOfChoice(choice, models)
    .filter((stem) => PLAYED.includes(stem))
    .map((stem) => `no_${stem}`)
}

/** The choices after a change of the model: stems that it doesn't have are replaced. Four or six stems means all of them. */
export function withModel(choices: Choices, model: string, models: Models): Choices {
  const offered = [...stemChoices(model, models), ...backingTracks(model, models)]
  const purpose = models.choices.some(({ name, title }) => name === model && typeof title === 'string')
  const all = purpose && model !== 'vocals' && choices.model !== model && offered.includes('all')
  const stems = all ? 'all' : choices.stems
  return { ...choices, model, stems: offered.includes(stems) ? stems : (offered[0] ?? 'vocals') }
}

/** The stems of a stem file for DJ software. */
const STEM_FILE_STEMS = ['bass', 'drums', 'other', 'vocals']

/**
 * The choices after a change, without what the server refuses beside it. A stem file has all four stems and no video. A
 * part of a song has no video.
 */
export function changed(before: Choices, changes: Partial<Choices>, models: Models | null): Choices {
  let choices = { ...before, ...changes }
  const fits = (model: string) => models === null || [...stemsOfChoice(model, models)].sort().join() === STEM_FILE_STEMS.join()
  if (choices.format === STEM_FILE) {
    const other = [choices.model, 'auto', 'four_stems', ...(models?.models ?? []).map(({ name }) => name)].find(fits)
    if (before.format !== STEM_FILE && other !== undefined) choices = { ...choices, model: other, stems: 'all', video: false }
    else if (choices.stems !== 'all' || choices.video || !fits(choices.model)) choices = { ...choices, format: 'wav' }
  }
  return hasPart(choices) ? { ...choices, video: false } : choices
}

/** Whether only a part of the songs is separated. */
export function hasPart({ start = '', end = '' }: Choices): boolean {
  return isTime(start) || isTime(end)
}

/** The remembered choices, without those that this server does not offer. */
export function availableChoices(choices: Choices, models: Models | null, config: ServerConfig): Choices {
  const format = config.formats.includes(choices.format) ? choices.format : (config.formats[0] ?? 'wav')
  const offered = { ...choices, format, notify: config.mail ? choices.notify : '' }
  if (models === null) return offered
  const { main, purposes, byName } = menuOf(models)
  const known = [...main, ...purposes, ...byName].includes(choices.model)
  return changed(withModel(known ? offered : { ...offered, model: models.default }, known ? choices.model : models.default, models), {}, models)
}
