import { expect, test } from 'vitest'
import type { Status } from '../api/types'
import type { Phase, Song } from '../songs/song'
import { wordsFor } from './words'

const words = (phase: Phase, status: Partial<Status>, wakes = false) => {
  const song: Song = {
    key: 'k', id: 'i', inputKey: '', name: 'a.mp3', addedAt: 0, status: { session_id: 'i', status: 'PENDING', ...status },
  } // prettier-ignore
  return wordsFor(song, phase, wakes)
}

test('a song in the queue says how many are before it', () => {
  expect(words('queued', { queue_position: 1 }).line).toBe('Next in the queue')
  expect(words('queued', { queue_position: 4 }).line).toBe('In the queue: 3 before it')
})

test('a song under way says what is done with it, how far, and how long still', () => {
  const told = words('working', { stage: 'separating', progress: 0.456, eta_seconds: 130 })
  expect(told).toEqual({ line: 'Taking it apart · 45 %', left: '2 minutes left', hint: '', fraction: 0.456 })
})

test('where machines sleep, the next song says why it may wait, and promises no time', () => {
  const told = words('queued', { queue_position: 1, eta_seconds: 40 }, true)
  expect(told).toMatchObject({ line: 'Next in the queue', left: '', hint: expect.stringContaining('wakes one up') as string })
  expect(words('queued', { queue_position: 3, eta_seconds: 40 }, true)).toMatchObject({ left: '40 seconds left', hint: '' })
  expect(words('queued', { queue_position: 1, eta_seconds: 40 })).toMatchObject({ left: '40 seconds left', hint: '' })
  expect(words('working', { progress: 0.5 }, true).hint).toBe('')
})

test('a failure is told in the words of the server', () => {
  expect(words('failed', { error_message: 'There is no sound in it.' }).line).toBe('There is no sound in it.')
})
