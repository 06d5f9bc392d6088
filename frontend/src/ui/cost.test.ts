import { expect, test } from 'vitest'
import type { Choices, Model, Models, ServerConfig } from '../api/types'
import { modelFor, possible, secondsFor, stemChoices } from './cost'

const model = (name: string, stems: string[], one: number, all: number): Model => ({
  name, stems, summary: '', licence: 'MIT', sdr: {}, installed: true, sizeBytes: 1, secondsPerSecond: { one, all },
}) // prettier-ignore
const four = ['drums', 'bass', 'other', 'vocals']
const models: Models = {
  models: [model('lite', four, 0.05, 0.05), model('htdemucs', four, 0.5, 0.5), model('htdemucs_ft', four, 0.5, 2)],
  default: 'auto',
}
const config: ServerConfig = {
  signIn: null, maxBytes: 1, maxSongSeconds: 1, formats: ['wav', 'mp3'], mail: false, mixes: true, events: null, wakes: false,
  version: '',
} // prettier-ignore
const wanted: Choices = { model: 'auto', stems: 'all', format: 'mp3', video: true, notify: 'me@example.org' }

test('a choice costs what the model takes for one stem, or for all', () => {
  const found = modelFor('htdemucs_ft', models.models)
  expect(found && [secondsFor(found, 'vocals', 240), secondsFor(found, 'all', 240)]).toEqual([120, 480])
})

test('automatic means the published model where the server has it', () => {
  expect(modelFor('auto', models.models)?.name).toBe('htdemucs')
  expect(modelFor('auto', models.models.slice(0, 1))?.name).toBe('lite')
})

test('each stem can be had against the rest, or all of them', () => {
  expect(stemChoices(models.models[0])).toEqual(['vocals', 'all', 'drums', 'bass'])
})

test('choices that were made on another server are brought within this one', () => {
  expect(possible(wanted, models, config)).toEqual({ ...wanted, notify: '' })
  const odd = { ...wanted, model: 'gone', stems: 'piano', format: 'opus' }
  expect(possible(odd, models, config)).toMatchObject({ model: 'auto', stems: 'vocals', format: 'wav' })
  const only = { models: models.models.slice(0, 1), default: 'lite' }
  expect(possible(wanted, only, config).model).toBe('lite')
})
