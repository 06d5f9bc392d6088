import { expect, test } from 'vitest'
import type { Model, Models } from '../api/types'
import { splitOptions } from './splitOptions'

const model = (name: string, stems: string[], all: number, installed = true): Model => ({
  name, summary: '', licence: 'MIT', stems, installed, sizeBytes: 1, secondsPerSecond: { one: all, all },
}) // prettier-ignore
const models: Models = {
  models: [
    model('htdemucs', ['drums', 'bass', 'other', 'vocals'], 0.5),
    model('lite', ['drums', 'bass', 'other', 'vocals'], 0.1),
    model('htdemucs_6s', ['drums', 'bass', 'other', 'vocals', 'guitar', 'piano'], 0.6),
    model('spleeter', ['vocals', 'no_vocals'], 0.02),
    model('mdx_karaoke_2', ['vocals', 'no_vocals'], 0.3),
    model('drumsep', ['kick', 'snare', 'toms', 'cymbals'], 1, false),
  ],
  default: 'auto', choices: [], downloads: true,
} // prettier-ignore
const names = (stem: string, from = models) => splitOptions(stem, from, 100).map((option) => option.model)

test('the song without its vocals can be split into instruments, by the quickest model first', () => {
  expect(names('no_vocals')).toEqual(['lite', 'htdemucs', 'htdemucs_6s'])
  expect(splitOptions('no_vocals', models, 100)[0]).toMatchObject({ seconds: 10, parts: 'Drums, bass, other and vocals' })
})

test('vocals, drums and other have models of their own', () => {
  expect(names('vocals')).toEqual(['mdx_karaoke_2'])
  expect(names('drums')).toEqual(['drumsep'])
  expect(names('other')).toEqual(['htdemucs_6s'])
})

test('a single instrument can’t be split', () => expect(names('bass')).toEqual([]))

test('models that would have to be downloaded are left out if the server downloads none', () => {
  expect(names('drums', { ...models, downloads: false })).toEqual([])
})

test('before the models are known there are no options', () => expect(splitOptions('vocals', null, 1)).toEqual([]))
