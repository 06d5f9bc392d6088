import { expect, test } from 'vitest'
import type { Split, Status } from '../api/types'
import { type Estimate, estimateOf, NO_ESTIMATE, nextEstimate } from './estimate'
import { type Song, withStatuses } from './song'
import { SplitEstimates } from './splits'

const status = (seconds: number | null, more: Partial<Status> = {}): Status => ({
  session_id: 'a', status: 'IN_PROGRESS', stage: 'separating', progress: 0.5, duration: 200, eta_seconds: seconds, ...more,
}) // prettier-ignore

/** The estimates that a song shows as these statuses arrive. */
function shown(statuses: readonly Status[]): Estimate[] {
  let songs: Song[] = [{ key: 'k', id: 'a', inputKey: '', name: 'a.mp3', addedAt: 0, status: null }]
  return statuses.map((one) => {
    songs = withStatuses(songs, [one], false, 0)
    return songs[0]?.estimate ?? NO_ESTIMATE
  })
}

/** A pseudo-random number from 0 to 1 (a linear congruential generator, with the constants of Numerical Recipes). */
function generator(seed: number): () => number {
  let state = seed
  return () => (state = (1664525 * state + 1013904223) % 2 ** 32) / 2 ** 32
}

test('the shown time of a run never rises unless a reason is shown', () => {
  for (let seed = 1; seed <= 200; seed += 1) {
    const random = generator(seed)
    const pick = <T,>(values: readonly T[]): T => values[Math.floor(random() * values.length)] as T
    const statuses = Array.from({ length: 50 }, () =>
      status(random() < 0.1 ? null : 300 * random() ** 2, {
        status: pick(['PENDING', 'IN_PROGRESS', 'IN_PROGRESS']),
        stage: pick([null, 'downloading', 'analysing', 'separating', 'writing']),
        progress: random(),
        queue_position: pick([null, 1, 2, 3]),
        duration: pick([null, 200]),
      }),
    )
    let last = Infinity
    for (const { seconds, reason } of shown(statuses)) {
      if (seconds === null) continue
      if (seconds > last) expect(reason).not.toBe('')
      last = seconds
    }
  }
})

test('small rises are not shown, and the time falls again with the estimate', () => {
  expect(shown([60, 66, 62, 55].map((seconds) => status(seconds))).map(({ seconds }) => seconds)).toEqual([60, 60, 60, 55])
})

test('a time that is unknown for a moment does not come back higher', () => {
  expect(shown([status(60), status(null), status(65)]).map(({ seconds }) => seconds)).toEqual([60, null, 60])
})

test.each([
  ['the songs before it', status(100, { status: 'PENDING', queue_position: 2 }), status(200, { status: 'PENDING', queue_position: 2 }), /before this one take longer/],
  ['another song of the same person', status(100, { status: 'PENDING', queue_position: 1 }), status(200, { status: 'PENDING', queue_position: 2 }), /goes first/],
  ['a lost worker', status(100), status(200, { status: 'PENDING', stage: null, progress: 0 }), /starts again/],
  ['a lost worker that was replaced at once', status(100), status(200, { progress: 0.1 }), /starts again/],
  ['a missing model', status(100, { stage: null, progress: 0 }), status(200, { stage: 'downloading', progress: 0.1 }), /downloaded first/],
  ['the length of the song', status(100, { duration: null }), status(200), /longer than its file size/],
  ['a slow machine', status(100), status(200, { progress: 0.6 }), /longer than usual/],
])('a rise because of %s says so', (_cause, before, after, reason) => {
  const [, risen] = shown([before, after])
  expect(risen?.seconds).toBe(200)
  expect(risen?.reason).toMatch(reason)
})

test('a reason stays while the song is in the same state', () => {
  const waiting = { status: 'PENDING' as const, stage: null, progress: 0, queue_position: 2 }
  const reasons = shown([status(100, waiting), status(200, waiting), status(150, waiting), status(90)]).map(({ reason }) => reason)
  expect(reasons.map((reason) => reason !== '')).toEqual([false, true, true, false])
})

test('a song that is started again has a new estimate', () => {
  expect(shown([status(10), status(null, { status: 'FAILED' }), status(300, { status: 'PENDING' })])[2]).toEqual({
    seconds: 300, last: 300, reason: '',
  }) // prettier-ignore
})

test('the time of a split follows the same rule, also when the song is fetched again', () => {
  const split = (eta: number): Split => ({
    from: 'no_vocals', session_id: 's', status: 'IN_PROGRESS', progress: 0.5, eta_seconds: eta, model: 'lite', error_message: null,
  }) // prettier-ignore
  const estimates = new SplitEstimates()
  const times = [60, 64, 50, 300].map((eta) => {
    const one = split(eta)
    estimates.update([{ key: 'k', id: 'a', inputKey: '', name: '', addedAt: 0, status: { session_id: 'a', status: 'COMPLETED', splits: [one] } }])
    return estimates.of(one)
  })
  expect(times.map(({ seconds }) => seconds)).toEqual([60, 60, 50, 300])
  expect(times.map(({ reason }) => reason)).toEqual(['', '', '', 'This takes longer than usual.'])
})

test('an upload that becomes slower says so', () => {
  expect(nextEstimate(nextEstimate(NO_ESTIMATE, 10, 'slow'), 60, 'slow')).toEqual({ seconds: 60, last: 60, reason: 'slow' })
  expect(estimateOf(NO_ESTIMATE, null, status(5, { status: 'COMPLETED' }))).toBe(NO_ESTIMATE)
})
