import { expect, test } from 'vitest'
import type { Status } from '../api/types'
import { isLinkPage, sharedIdIn, shareLink } from './library'
import type { Song } from './song'
import { needsTools, viewed } from './view'

const song = (name: string, addedAt: number, more: Partial<Status> = {}): Song => ({
  key: name, id: name, inputKey: '', name, addedAt, status: { session_id: name, status: 'COMPLETED', ...more },
}) // prettier-ignore

const SONGS = [
  song('Für Elise.mp3', 4, { duration: 180, bpm: 72.5, key: 'A minor' }),
  song('track 10.wav', 3, { duration: 300, bpm: 120 }),
  song('Track 9.wav', 2),
  song('Äther.flac', 1, { duration: 60, bpm: 90, key: 'A major' }),
]
const names = (search: string, order: Parameters<typeof viewed>[1]['order'] = 'newest') =>
  viewed(SONGS, { search, order }).map(({ name }) => name.split('.')[0])

test('the search finds all words in any case, with and without accents', () => {
  expect(names('')).toHaveLength(4)
  expect(names('fur')).toEqual(['Für Elise'])
  expect(names('ELISE für')).toEqual(['Für Elise'])
  expect(names('track 1')).toEqual(['track 10'])
  expect(names('elise track')).toEqual([])
})

test('the search finds tempo and key', () => {
  expect(names('a minor')).toEqual(['Für Elise'])
  expect(names('72.5')).toEqual(['Für Elise'])
  expect(names('120 bpm')).toEqual(['track 10'])
})

test('endings are not searched', () => {
  expect(names('wav')).toEqual([])
})

test('songs are sorted by name, length and tempo; songs without one come last', () => {
  expect(names('', 'name')).toEqual(['Äther', 'Für Elise', 'Track 9', 'track 10'])
  expect(names('', 'length')).toEqual(['track 10', 'Für Elise', 'Äther', 'Track 9'])
  expect(names('', 'tempo')).toEqual(['Für Elise', 'Äther', 'track 10', 'Track 9'])
})

test('songs without a tempo stay in order', () => {
  const songs = [song('b', 2), song('a', 1)]
  expect(viewed(songs, { search: '', order: 'tempo' })).toEqual(songs)
})

test('a short list needs no search', () => {
  expect(needsTools(SONGS)).toBe(true)
  expect(needsTools(SONGS.slice(1))).toBe(false)
})

test('a share link is the address of the page, with the id where no server logs it', () => {
  const link = shareLink('https://unbraid.example/app/?code=secret#/s/session', 'abc-DEF_1', false)
  expect(link).toBe('https://unbraid.example/app/#/l/abc-DEF_1')
  expect(sharedIdIn(new URL(link).hash)).toBe('abc-DEF_1')
  expect(sharedIdIn('#/s/abc')).toBeNull()
})

test('on a server with a password, a share link leads to the page that needs none', () => {
  const link = shareLink('https://unbraid.example/app/?code=secret#/s/session', 'abc-DEF_1', true)
  expect(link).toBe('https://unbraid.example/app/listen#/l/abc-DEF_1')
  expect(isLinkPage(link)).toBe(true)
  expect(isLinkPage('https://unbraid.example/app/#/l/listen')).toBe(false)
})
