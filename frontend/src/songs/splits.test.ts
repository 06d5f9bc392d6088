import { expect, test } from 'vitest'
import type { Split } from '../api/types'
import type { Song } from './song'
import { activeSplitIds, withSplitStatuses } from './splits'

const split: Split = {
  from: 'no_vocals', session_id: 'parts', status: 'PENDING', progress: 0, eta_seconds: null, model: 'lite', error_message: null,
} // prettier-ignore
const song: Song = {
  key: 'a', id: 'a', inputKey: '', name: 'a.wav', addedAt: 0, status: { session_id: 'a', status: 'COMPLETED', splits: [split] },
} // prettier-ignore

test('sessions at work on a stem are watched', () => {
  expect(activeSplitIds([song])).toEqual(['parts'])
  const { songs } = withSplitStatuses([song], [{ session_id: 'parts', status: 'COMPLETED' }])
  expect(activeSplitIds(songs)).toEqual([])
})

test('progress of a stem is shown in its song', () => {
  const working = { session_id: 'parts', status: 'IN_PROGRESS', progress: 0.5, eta_seconds: 3 } as const
  const { songs, ended } = withSplitStatuses([song], [working])
  expect(songs[0]?.status?.splits?.[0]).toMatchObject({ status: 'IN_PROGRESS', progress: 0.5, eta_seconds: 3 })
  expect(ended).toEqual([])
})

test.each(['COMPLETED', 'FAILED', 'CANCELLED', 'UNKNOWN'] as const)('a song whose parts are %s is read again', (status) => {
  expect(withSplitStatuses([song], [{ session_id: 'parts', status }]).ended).toEqual(['a'])
})

test('other songs stay as they are', () => {
  expect(withSplitStatuses([song], [{ session_id: 'b', status: 'PENDING' }])).toEqual({ songs: [song], ended: [] })
})
