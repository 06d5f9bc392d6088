import { expect, test } from 'vitest'
import type { Phase } from '../songs/song'
import { changes } from './useAnnouncement'

const list = (songs: Record<string, Phase>) => new Map(Object.entries(songs).map(([title, phase]) => [title, { phase, title }]))

test('songs that end or leave the list are announced', () => {
  const before = list({ A: 'working', B: 'queued', C: 'uploading', D: 'done', E: 'queued' })
  const after = list({ A: 'done', B: 'failed', C: 'upload failed', E: 'cancelled' })
  expect(changes(before, after)).toEqual([
    '“A” is ready.',
    '“B” failed.',
    '“C” could not be uploaded.',
    '“E” was cancelled.',
    '“D” was removed.',
  ])
})

test('songs that the page has just found are not', () => {
  expect(changes(list({ A: 'loading' }), list({ A: 'done', B: 'failed' }))).toEqual([])
  expect(changes(list({ A: 'queued' }), list({ A: 'working' }))).toEqual([])
})
