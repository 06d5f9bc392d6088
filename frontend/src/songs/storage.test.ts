import { expect, test } from 'vitest'
import type { Kept, Song } from './song'
import { fromOtherTab } from './storage'

const kept = (key: string, addedAt: number): Kept => ({ key, id: `id ${key}`, inputKey: '', name: key, addedAt })
const song = (key: string, addedAt: number): Song => ({ ...kept(key, addedAt), status: null })

test('songs that another tab added come in, those that it deleted go', () => {
  const songs = fromOtherTab([song('old', 1), song('deleted', 2)], [kept('old', 1), kept('new', 3)])
  expect(songs.map((one) => one.key)).toEqual(['new', 'old'])
})

test('what this tab is about to upload stays, though no other tab knows it', () => {
  const file = new Blob(['x']) as File
  const upload = { file, state: 'waiting', fraction: 0, secondsLeft: null } as const
  const mine: Song = { ...song('mine', 1), id: null, upload }
  expect(fromOtherTab([mine], [])).toEqual([mine])
})

test('the progress of an upload in another tab is taken over', () => {
  const sent = { fraction: 0.5, at: 7 }
  expect(fromOtherTab([song('a', 1)], [{ ...kept('a', 1), sent }])[0]?.sent).toEqual(sent)
})
