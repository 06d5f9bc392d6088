import { expect, test } from 'vitest'
import type { Song, StoredSong } from './song'
import { NO_ESTIMATE } from './estimate'
import { mergeStored } from './storage'

const stored = (key: string, addedAt: number): StoredSong => ({ key, id: `id ${key}`, inputKey: '', name: key, addedAt })
const song = (key: string, addedAt: number): Song => ({ ...stored(key, addedAt), status: null })

test('songs added in another tab appear, songs deleted there disappear', () => {
  const songs = mergeStored([song('old', 1), song('deleted', 2)], [stored('old', 1), stored('new', 3)])
  expect(songs.map((one) => one.key)).toEqual(['new', 'old'])
})

test('a song that waits for its upload in this tab stays', () => {
  const file = new Blob(['x']) as File
  const upload = { file, state: 'waiting', fraction: 0, estimate: NO_ESTIMATE } as const
  const waiting: Song = { ...song('waiting', 1), id: null, upload }
  expect(mergeStored([waiting], [])).toEqual([waiting])
})

test("another tab's upload progress is taken over", () => {
  const sent = { fraction: 0.5, at: 7 }
  expect(mergeStored([song('a', 1)], [{ ...stored('a', 1), sent }])[0]?.sent).toEqual(sent)
})
