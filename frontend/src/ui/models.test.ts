import { expect, test } from 'vitest'
import type { Choices, Model, Models, ServerConfig } from '../api/types'
import { availableChoices, modelFor, separationSeconds, stemChoices } from './models'

const model = (name: string, stems: string[], one: number, all: number): Model => ({
  name, stems, summary: '', installed: true, sizeBytes: 1, secondsPerSecond: { one, all },
}) // prettier-ignore
const four = ['drums', 'bass', 'other', 'vocals']
const models: Models = {
  models: [model('lite', four, 0.05, 0.05), model('htdemucs', four, 0.5, 0.5), model('htdemucs_ft', four, 0.5, 2)],
  default: 'auto',
}
const config: ServerConfig = {
  signIn: null, maxBytes: 1, formats: ['wav', 'mp3'], mail: false, mixes: true, events: null, wakes: false, version: '',
} // prettier-ignore
const choices: Choices = { model: 'auto', stems: 'all', format: 'mp3', video: true, notify: 'me@example.org' }

test('the estimate depends on the model and on one or all stems', () => {
  const model = modelFor('htdemucs_ft', models.models)
  expect(model && [separationSeconds(model, 'vocals', 240), separationSeconds(model, 'all', 240)]).toEqual([120, 480])
})

test('auto is the published model if the server has it', () => {
  expect(modelFor('auto', models.models)?.name).toBe('htdemucs')
  expect(modelFor('auto', models.models.slice(0, 1))?.name).toBe('lite')
})

test('the choices are each stem and the rest, or all stems', () => {
  expect(stemChoices(models.models[0])).toEqual(['vocals', 'all', 'drums', 'bass'])
})

test('choices that this server does not offer are replaced by its defaults', () => {
  expect(availableChoices(choices, models, config)).toEqual({ ...choices, notify: '' })
  const unknown = { ...choices, model: 'gone', stems: 'piano', format: 'opus' }
  expect(availableChoices(unknown, models, config)).toMatchObject({ model: 'auto', stems: 'vocals', format: 'wav' })
  const only = { models: models.models.slice(0, 1), default: 'lite' }
  expect(availableChoices(choices, only, config).model).toBe('lite')
})
