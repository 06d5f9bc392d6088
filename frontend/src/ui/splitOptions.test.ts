import { expect, test } from 'vitest'
import type { Model, Models } from '../api/types'
import { comparisonOptions, splitOptions } from './splitOptions'

const model = (name: string, stems: string[], all: number, answers: string[] = [], changes: Partial<Model> = {}): Model => ({
  name, summary: '', licence: 'MIT', stems, installed: true, sizeBytes: 1, secondsPerSecond: { one: all, all }, answers, ...changes,
}) // prettier-ignore
const VOICES = ['lead_vocals', 'no_lead_vocals']
const models: Models = {
  models: [
    model('htdemucs', ['drums', 'bass', 'other', 'vocals'], 0.5, ['four_stems']),
    model('lite', ['drums', 'bass', 'other', 'vocals'], 0.1, ['four_stems']),
    model('htdemucs_6s', ['drums', 'bass', 'other', 'vocals', 'guitar', 'piano'], 0.6, ['six_stems']),
    model('spleeter', ['vocals', 'no_vocals'], 0.02, ['vocals']),
    model('mdx_karaoke_2', VOICES, 0.3, ['karaoke', 'lead_backing']),
    model('melband_becruily', VOICES, 2.5, ['karaoke', 'lead_backing'], { licence: 'unknown' }),
    model('echoes', ['dry', 'reverb'], 2, ['dereverb']),
    model('mdx23c_drumsep', ['kick', 'snare', 'toms'], 1, ['drum_pieces'], { installed: false }),
  ],
  default: 'auto', choices: [], downloads: true,
} // prettier-ignore
const names = (stem: string, from = models) => splitOptions(stem, from, 100).map((option) => option.model)

test('the song without its vocals can be split into instruments, by the quickest model first', () => {
  expect(names('no_vocals')).toEqual(['lite', 'htdemucs', 'htdemucs_6s'])
  expect(splitOptions('no_vocals', models, 100)[0]).toMatchObject({ seconds: 10, parts: 'Drums, bass, other and vocals' })
})

test('vocals, drums and other have models of their own', () => {
  expect(names('vocals')).toEqual(['mdx_karaoke_2', 'echoes', 'melband_becruily'])
  expect(names('drums')).toEqual(['mdx23c_drumsep'])
  expect(names('other')).toEqual(['htdemucs_6s'])
})

test('the lead vocals of a karaoke model can be cleaned, and the rest split into instruments', () => {
  expect(names('lead_vocals')).toEqual(['echoes'])
  expect(names('no_lead_vocals')).toEqual(['lite', 'htdemucs', 'htdemucs_6s'])
})

test('every other model of several stems can be tried on a part, the quickest first', () => {
  const options = comparisonOptions('lite', { ...models, downloads: false }, 30)
  expect(options.map(({ model }) => model)).toEqual(['spleeter', 'mdx_karaoke_2', 'htdemucs', 'htdemucs_6s', 'echoes', 'melband_becruily'])
  expect(options[0]).toMatchObject({ parts: 'Vocals and accompaniment', seconds: 0.6 })
  expect(comparisonOptions('lite', null, 30)).toEqual([])
})

test('an option says whether the licence of its model is known', () => {
  expect(splitOptions('vocals', models, 1).map((option) => option.licenceKnown)).toEqual([true, true, false])
})

test('a model’s purpose decides, not its name', () => {
  const named = { ...models, models: [model('noise_remover', ['drums', 'bass', 'other', 'vocals'], 1, ['four_stems'])] }
  expect(names('vocals', named)).toEqual([])
  const own = { ...models, models: [model('mine', ['kick', 'snare'], 1)] }
  expect(names('drums', own)).toEqual(['mine'])
  const older = { ...models, models: [model('mine', ['kick', 'snare'], 1, [], { answers: undefined })] }
  expect(names('drums', older)).toEqual(['mine'])
  expect(names('vocals', own)).toEqual([])
})

test('a single instrument can’t be split', () => expect(names('bass')).toEqual([]))

test('models that would have to be downloaded are left out if the server downloads none', () => {
  expect(names('drums', { ...models, downloads: false })).toEqual([])
})

test('before the models are known there are no options', () => expect(splitOptions('vocals', null, 1)).toEqual([]))
