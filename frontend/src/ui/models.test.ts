import { expect, test } from 'vitest'
import type { Choices, Model, Models, ServerConfig, UsedModel } from '../api/types'
import { stemsOf } from '../lib/stems'
import { availableChoices, backingTracks, changed, choiceName, menuOf, missingText, stemChoices, typicalSeconds, usedModel, withModel } from './models'

const model = (name: string, stems: string[], one: number, all: number): Model => ({
  name, stems, summary: '', licence: 'MIT', installed: true, sizeBytes: 1, secondsPerSecond: { one, all },
}) // prettier-ignore
const used = (name: string, secondsPerSecond: number, passedOver: Record<string, string> = {}): UsedModel => ({
  model: name, installed: true, sizeBytes: 1, secondsPerSecond, passedOver,
}) // prettier-ignore
const four = ['drums', 'bass', 'other', 'vocals']
const each = (one: UsedModel, all: UsedModel) => ({ ...Object.fromEntries(four.map((stem) => [stem, one])), all })
const without = { htdemucs: 'no network (tried at 13:05)' }
const models: Models = {
  models: [
    model('lite', four, 0.05, 0.05),
    model('htdemucs_ft', four, 0.5, 2),
    model('htdemucs_6s', [...four, 'guitar', 'piano'], 0.5, 0.5),
    model('spleeter', ['vocals', 'no_vocals'], 0.03, 0.03),
  ],
  default: 'auto',
  choices: [
    { name: 'auto', title: null, stems: each(used('spleeter', 0.03, without), used('spleeter_lite', 0.06, without)) },
    { name: 'fast', title: null, stems: each(used('spleeter', 0.03), used('spleeter_lite', 0.06)) },
    { name: 'best', title: null, stems: each(used('htdemucs_ft', 0.5), used('htdemucs_ft', 2)) },
    { name: 'karaoke', title: 'Karaoke', stems: { lead_vocals: used('lite', 0.05), all: { ...used('kara', 0.3), installed: false } } },
    { name: 'six_stems', title: 'Six instruments', stems: { ...each(used('htdemucs_6s', 0.5), used('htdemucs_6s', 0.5)), guitar: used('htdemucs_6s', 0.5) } },
    { name: 'dereverb', title: 'Without reverb', stems: { dry: used('dry', 2), reverb: used('dry', 2), all: used('dry', 2) } },
  ],
  downloads: true,
}
const config: ServerConfig = {
  signIn: null, maxBytes: 1, formats: ['wav', 'mp3'], mail: false, mixes: true, events: null, wakes: false, version: '',
} // prettier-ignore
const choices: Choices = { model: 'auto', stems: 'all', format: 'mp3', video: true, notify: 'me@example.org' }

test('the menu offers fast, balanced and best first, then purposes, and the models by name', () => {
  expect(menuOf(models)).toEqual({
    main: ['fast', 'auto', 'best'],
    purposes: ['karaoke', 'six_stems', 'dereverb'],
    byName: ['lite', 'htdemucs_ft', 'htdemucs_6s', 'spleeter'],
  })
  expect(['auto', 'karaoke', 'lite'].map((name) => choiceName(name, models))).toEqual(['Balanced', 'Karaoke', 'lite'])
  const only = { models: models.models.slice(0, 1), default: 'lite', choices: [], downloads: true }
  expect(menuOf(only)).toEqual({ main: [], purposes: [], byName: ['lite'] })
})

test('the menu has no missing models if the server downloads none', () => {
  const missing = models.models.map((model) => ({ ...model, installed: model.name === 'lite' }))
  expect(menuOf({ ...models, models: missing, downloads: false })).toEqual({
    main: ['fast', 'auto', 'best'],
    purposes: ['six_stems', 'dereverb'],
    byName: ['lite'],
  })
})

test('the estimate depends on the model that the choice stands for, and on one or all stems', () => {
  const seconds = (choice: string, stems: string) => Math.round(typicalSeconds(choice, stems, models) ?? NaN)
  expect([seconds('htdemucs_ft', 'vocals'), seconds('htdemucs_ft', 'all')]).toEqual([120, 480])
  expect([seconds('auto', 'vocals'), seconds('auto', 'all')]).toEqual([7, 14])
  expect(usedModel('auto', 'all', models)).toMatchObject({ model: 'spleeter_lite', passedOver: without })
})

test('a failed download is explained with its substitute', () => {
  expect(missingText(used('spleeter', 0.03, without), true)).toBe(
    'The better model htdemucs couldn’t be downloaded today. For now, spleeter is used instead.',
  )
  expect(missingText(used('lite', 0.03, { htdemucs: 'offline', spleeter: 'offline' }), false)).toBe(
    'The better models htdemucs and spleeter are not installed, and this server downloads no models. For now, lite is used instead.',
  )
  const three = { htdemucs_ft: '', htdemucs: '', spleeter: '' }
  expect(missingText(used('lite', 0.03, three), true)).toContain('models htdemucs_ft, htdemucs and spleeter couldn’t')
  expect(missingText(used('htdemucs', 0.5), true)).toBe('')
})

test('the stems to choose are each stem and the rest, or all stems, as far as the choice has them', () => {
  expect(stemChoices('lite', models)).toEqual(['vocals', 'all', 'drums', 'bass'])
  expect(stemChoices('fast', models)).toEqual(['vocals', 'all', 'drums', 'bass'])
  expect(stemChoices('htdemucs_6s', models)).toEqual(['vocals', 'all', 'drums', 'bass', 'guitar', 'piano'])
  expect(stemChoices('spleeter', models)).toEqual(['vocals'])
  expect(stemChoices('karaoke', models)).toEqual(['lead_vocals'])
  expect(stemChoices('dereverb', models)).toEqual(['all', 'dry', 'reverb'])
})

test('a musician can choose a backing track without an instrument that the model separates', () => {
  expect(backingTracks('lite', models)).toEqual(['no_vocals', 'no_drums', 'no_bass'])
  expect(backingTracks('htdemucs_6s', models)).toEqual(['no_vocals', 'no_drums', 'no_bass', 'no_guitar', 'no_piano'])
  expect(backingTracks('spleeter', models)).toEqual(['no_vocals'])
  expect(backingTracks('karaoke', models)).toEqual(['no_lead_vocals'])
  expect(backingTracks('dereverb', models)).toEqual([])
  const guitar = { ...choices, model: 'htdemucs_6s', stems: 'no_guitar' }
  expect(availableChoices(guitar, models, config).stems).toBe('no_guitar')
  expect(withModel(guitar, 'lite', models).stems).toBe('vocals')
  expect(usedModel('auto', 'no_bass', models)).toEqual(usedModel('auto', 'bass', models))
  expect(typicalSeconds('htdemucs_ft', 'no_bass', models)).toBe(typicalSeconds('htdemucs_ft', 'bass', models))
  expect(stemsOf('no_bass', ['bass', 'drums'])).toEqual(['no_bass'])
})

test('a purpose selects all its stems, and other choices keep the stems that they have', () => {
  const six = withModel({ ...choices, stems: 'vocals' }, 'six_stems', models)
  expect(six).toMatchObject({ model: 'six_stems', stems: 'all' })
  expect(withModel(six, 'dereverb', models).stems).toBe('all')
  expect(withModel(six, 'karaoke', models).stems).toBe('lead_vocals')
  expect(withModel({ ...six, stems: 'guitar' }, 'six_stems', models).stems).toBe('guitar')
  expect(withModel({ ...six, stems: 'guitar' }, 'fast', models).stems).toBe('vocals')
  expect(withModel({ ...choices, stems: 'drums' }, 'lite', models).stems).toBe('drums')
})

test('the last choice wins over what it contradicts', () => {
  const wav: Choices = { model: 'spleeter', stems: 'no_vocals', format: 'wav', video: true, notify: '' }
  const file = changed(wav, { format: 'stem' }, models)
  expect(file).toMatchObject({ model: 'auto', stems: 'all', format: 'stem', video: false })
  expect(changed(file, { stems: 'no_bass' }, models)).toMatchObject({ stems: 'no_bass', format: 'wav' })
  expect(changed(file, withModel(file, 'htdemucs_6s', models), models)).toMatchObject({ model: 'htdemucs_6s', format: 'wav' })
  expect(changed(file, withModel(file, 'lite', models), models)).toMatchObject({ model: 'lite', format: 'stem' })
  expect(changed({ ...wav, model: 'lite' }, { format: 'stem' }, models).model).toBe('lite')
  expect(changed(wav, { start: '1:05' }, models)).toMatchObject({ start: '1:05', video: false })
  expect(changed(wav, { start: '1:' }, models).video).toBe(true)
  const stored = { ...wav, format: 'stem', video: false }
  expect(availableChoices(stored, models, { ...config, formats: ['wav', 'stem'] }).format).toBe('wav')
  const two = { ...models, models: models.models.slice(3), choices: [] }
  expect(changed(wav, { format: 'stem' }, two).format).toBe('wav')
})

test('choices that this server does not offer are replaced by its defaults', () => {
  expect(availableChoices(choices, models, config)).toEqual({ ...choices, notify: '' })
  const unknown = { ...choices, model: 'gone', stems: 'piano', format: 'opus' }
  expect(availableChoices(unknown, models, config)).toMatchObject({ model: 'auto', stems: 'vocals', format: 'wav' })
  const only = { ...models, models: models.models.slice(0, 1), default: 'lite', choices: [] }
  expect(availableChoices(choices, only, config).model).toBe('lite')
})

test('remembered names of models and stems stay valid', () => {
  for (const [name, stems] of [['htdemucs_ft', 'bass'], ['htdemucs_6s', 'vocals']] as const)
    expect(availableChoices({ ...choices, model: name, stems }, models, config)).toMatchObject({ model: name, stems })
})
