import { expect, test } from 'vitest'
import type { OutputFile, Status } from '../api/types'
import { offers } from './offers'

const file = (type: string): OutputFile => ({ type, filename: `${type}.wav`, s3_url: `https://store/${type}`, size: 1, duration: 1 })
const song = (zip_url: string | null): Status => ({
  session_id: 'a', status: 'COMPLETED', zip_url, output_files: ['no_vocals', 'video', 'vocals'].map(file),
}) // prettier-ignore
const types = (files: readonly OutputFile[]) => files.map((one) => one.type)

test('a server with archives and mixes offers these, and the film; the stems stand in the player', () => {
  const found = offers(song('https://zip'), true, true)
  expect(found).toMatchObject({ zip: 'https://zip', mixing: true })
  expect(types(found.files)).toEqual(['video'])
})

test('a server without them offers each file instead, voice first', () => {
  const found = offers(song(null), true, false)
  expect(found).toMatchObject({ zip: null, mixing: false })
  expect(types(found.files)).toEqual(['vocals', 'no_vocals', 'video'])
})

test('where the stems can’t be played they can be downloaded all the same', () => {
  const found = offers(song('https://zip'), false, true)
  expect(found.mixing).toBe(false)
  expect(types(found.files)).toContain('vocals')
})
