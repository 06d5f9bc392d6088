import { expect, test } from 'vitest'
import type { Status } from '../api/types'
import type { Phase, Song } from '../songs/song'
import { wordsFor } from './words'

const words = (phase: Phase, status: Partial<Status>) => {
  const song: Song = {
    key: 'k', id: 'i', inputKey: '', name: 'a.mp3', addedAt: 0, status: { session_id: 'i', status: 'PENDING', ...status },
  } // prettier-ignore
  return wordsFor(song, phase)
}

test('a song in the queue says how many are before it', () => {
  expect(words('queued', { queue_position: 1 }).line).toBe('Next in the queue')
  expect(words('queued', { queue_position: 4 }).line).toBe('In the queue: 3 before it')
})

test('a song under way says what is done with it, how far, and how long still', () => {
  const told = words('working', { stage: 'separating', progress: 0.456, eta_seconds: 130 })
  expect(told).toEqual({ line: 'Taking it apart · 45 %', left: '2 minutes left', fraction: 0.456 })
})

test('a failure is told in the words of the server', () => {
  expect(words('failed', { error_message: 'There is no sound in it.' }).line).toBe('There is no sound in it.')
})
