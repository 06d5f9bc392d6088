import { expect, test } from 'vitest'
import type { Status } from '../api/types'
import { type Phase, type Song, withStatuses } from '../songs/song'
import { musicText, statusText } from './statusText'

const textFor = (phase: Phase, status: Partial<Status>, wakes = false) => {
  const song: Song = {
    key: 'k', id: 'i', inputKey: '', name: 'a.mp3', addedAt: 0, status: null,
  } // prettier-ignore
  const state = phase === 'working' ? 'IN_PROGRESS' : 'PENDING'
  const [known = song] = withStatuses([song], [{ session_id: 'i', status: state, ...status }], false, 0)
  return statusText(known, phase, wakes)
}

test('a queued song shows how many songs are before it', () => {
  expect(textFor('queued', {}).line).toBe('Waiting in the queue')
  expect(textFor('queued', { queue_position: 1 }).line).toBe('Next in the queue')
  expect(textFor('queued', { queue_position: 2 }).line).toBe('Waiting in the queue: 1 song before yours')
  expect(textFor('queued', { queue_position: 4 }).line).toBe('Waiting in the queue: 3 songs before yours')
})

test('a waiting song shows when its work begins, which is not before the songs ahead are done', () => {
  const text = textFor('queued', { queue_position: 2, eta_seconds: 150, starts_in_seconds: 90 })
  expect(text).toMatchObject({ line: 'Waiting in the queue: 1 song before yours · starts in 2 minutes', remaining: '3 minutes left' })
  expect(textFor('queued', { queue_position: 1, eta_seconds: 60, starts_in_seconds: 0 }).line).toBe('Next in the queue')
})

test('a song in progress shows its stage, progress and remaining time', () => {
  const text = textFor('working', { stage: 'separating', progress: 0.456, eta_seconds: 130 })
  expect(text).toEqual({ line: 'Separating · 45 %', remaining: '2 minutes left', hint: '', reason: '', fraction: 0.456 })
})

test('stages come in order: nothing is separated before the model is downloaded and the song is read', () => {
  const stages = [null, 'downloading', 'analysing', 'separating', 'writing']
  const lines = [textFor('queued', {}), ...stages.map((stage) => textFor('working', { stage, progress: 0 }))].map(({ line }) => line)
  expect(lines).toEqual([
    'Waiting in the queue', 'Getting ready', 'Downloading the model · 0 %', 'Reading the song · 0 %',
    'Separating · 0 %', 'Writing the stems · 0 %',
  ]) // prettier-ignore
})

test('the time left during a download includes the song', () => {
  const text = textFor('working', { stage: 'downloading', progress: 0.9, eta_seconds: 120 })
  expect(text).toMatchObject({ line: 'Downloading the model · 90 %', remaining: '2 minutes left with the separation' })
  expect(textFor('working', { stage: 'downloading', progress: 0, eta_seconds: null }).remaining).toBe('')
})

test('an interrupted upload in parts shows where it stopped', () => {
  const song: Song = { key: 'k', id: 'i', inputKey: '', name: 'a.wav', addedAt: 0, status: null }
  const parts = { name: 'a.wav', size: 30_000_000, lastModified: 1 }
  const sent = { fraction: 0.4, at: 1 }
  const line = (more: Partial<Song>) => statusText({ ...song, ...more }, 'interrupted', false).line
  expect(line({ sent })).toBe('The upload was interrupted. Choose the file again to continue.')
  expect(line({ sent, parts })).toBe('The upload was interrupted at 40\u00a0%. Choose the same file to continue from there.')
})

test('while the machine starts, the next song shows a hint instead of an estimate', () => {
  const starting = textFor('queued', { queue_position: 1, eta_seconds: 40 }, true)
  const hint = expect.stringContaining('Starting a machine') as string
  expect(starting).toMatchObject({ line: 'Next in the queue', remaining: '', hint })
  expect(textFor('queued', { queue_position: 3, eta_seconds: 40 }, true)).toMatchObject({ remaining: '40 seconds left', hint: '' })
  expect(textFor('queued', { queue_position: 1, eta_seconds: 40 })).toMatchObject({ remaining: '40 seconds left', hint: '' })
  expect(textFor('working', { progress: 0.5 }, true).hint).toBe('')
})

test("a failed song shows the server's message", () => {
  expect(textFor('failed', { error_message: 'The file is silent.' }).line).toBe('The file is silent.')
})

test('tempo and key stand together, and each alone', () => {
  const status = { session_id: 'a', status: 'COMPLETED' as const }
  expect(musicText({ ...status, bpm: 119.6, key: 'A minor' })).toBe('119.6 BPM · A minor')
  expect(musicText({ ...status, bpm: 120, key: null })).toBe('120 BPM')
  expect(musicText({ ...status, bpm: null, key: 'Db major' })).toBe('Db major')
  expect(musicText(status)).toBe('')
})
