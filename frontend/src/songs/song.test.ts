import { expect, test } from 'vitest'
import type { State, Status } from '../api/types'
import { NO_ESTIMATE } from './estimate'
import { isVideo, isWatched, phaseOf, type Song, withStatuses } from './song'

const status = (id: string, state: State, more: Partial<Status> = {}): Status => ({
  session_id: id, status: state, file_name: `${id}.mp3`, created_at: 5, ...more,
}) // prettier-ignore
const song = (id: string | null, more: Partial<Song> = {}): Song => ({
  key: `key ${id}`, id, inputKey: '', name: 'song.mp3', addedAt: 1, status: null, ...more,
}) // prettier-ignore
const file = new Blob(['x']) as File // Node.js 18 has no File

test("the phase of a song that this tab uploads is the upload's", () => {
  const sending = song('a', { upload: { file, state: 'sending', fraction: 0, estimate: NO_ESTIMATE } })
  expect(phaseOf({ ...sending, status: status('a', 'AWAITING_UPLOAD') }, 0)).toBe('uploading')
  expect(isWatched(sending)).toBe(false)
})

test('after a reload an unfinished upload is interrupted, unless another tab is still sending it', () => {
  const waiting = song('a', { status: status('a', 'AWAITING_UPLOAD') })
  expect(phaseOf(waiting, 0)).toBe('interrupted')
  const elsewhere = { ...waiting, sent: { fraction: 0.4, at: 1000 } }
  expect(phaseOf(elsewhere, 3000)).toBe('uploading elsewhere')
  expect(phaseOf(elsewhere, 60_000)).toBe('interrupted')
})

test('each state has a phase, and songs whose state may change are watched', () => {
  const states = ['PENDING', 'IN_PROGRESS', 'COMPLETED', 'FAILED', 'CANCELLED', 'UNKNOWN'] as const
  const songs = states.map((state) => song('a', { status: status('a', state) }))
  expect(songs.map((one) => phaseOf(one, 0))).toEqual(['queued', 'working', 'done', 'failed', 'cancelled', 'gone'])
  expect(songs.map(isWatched)).toEqual([true, true, false, false, false, false])
  expect(phaseOf(song('a'), 0)).toBe('loading')
})

test('the history adds songs that this browser does not know, newest first, without duplicates', () => {
  const known = [song('a', { addedAt: 9000 })]
  const statuses = [status('a', 'COMPLETED'), status('b', 'FAILED', { created_at: 20 }), status('c', 'UNKNOWN')]
  const merged = withStatuses(known, statuses, true, 0)
  expect(merged.map((one) => [one.id, one.name, one.status?.status])).toEqual([
    ['b', 'b.mp3', 'FAILED'],
    ['a', 'a.mp3', 'COMPLETED'],
  ])
  expect(withStatuses(known, statuses, false, 0)).toHaveLength(1)
})

test('a video is recognised by its media type, or by its extension', () => {
  const check = (name: string, type: string) => isVideo({ name, type })
  expect(check('a.bin', 'video/mp4')).toBe(true)
  expect(check('a.MKV', '')).toBe(true)
  expect(check('a.mp3', 'audio/mpeg')).toBe(false)
})
