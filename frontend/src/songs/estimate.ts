/**
 * The time left that the page shows, for uploads, songs and stems that are split further. The server and the connection
 * give new estimates all the time. The shown time never rises without a reason beside it.
 */
import type { Split, Status } from '../api/types'

export interface Estimate {
  /** Seconds left; null: unknown for now. */
  seconds: number | null
  /** The last known number of seconds. */
  last: number | null
  /** Why the time has risen; empty: it hasn't. */
  reason: string
}

export const NO_ESTIMATE: Estimate = { seconds: null, last: null, reason: '' }

// Estimates vary by this much. A rise within it is not shown: the last time stays until the estimate falls below it.
const VARIATION = 0.15
const VARIATION_S = 3

/** The next time to show. `reason`: why it rises, if it does. */
export function nextEstimate(before: Estimate, seconds: number | null, reason: string): Estimate {
  if (seconds === null) return { ...before, seconds }
  const { last } = before
  if (last === null || seconds <= last) return { ...before, seconds, last: seconds }
  if (seconds <= last * (1 + VARIATION) + VARIATION_S) return { ...before, seconds: last }
  return { seconds, last: seconds, reason }
}

type Run = Pick<Status, 'status' | 'stage' | 'progress' | 'eta_seconds' | 'queue_position' | 'duration'> | Split

/** The time to show for a song or a split with a new status, `now`. `was`: its status before; null: unknown. */
export function estimateOf(before: Estimate, was: Run | null, now: Run): Estimate {
  if (now.status !== 'PENDING' && now.status !== 'IN_PROGRESS') return NO_ESTIMATE
  const begun = was?.status !== now.status ? { ...before, reason: '' } : before
  return nextEstimate(begun, now.eta_seconds ?? null, reasonOf(was, now))
}

/** Why a song takes longer than was shown. */
function reasonOf(was: Run | null, now: Run): string {
  if (isRestart(was, now)) return 'The work was interrupted and starts again.'
  if ('stage' in now && now.stage === 'downloading') return 'The model has to be downloaded first.'
  if (now.status === 'PENDING') {
    return place(now) > place(was) ? 'Another of your songs goes first.' : 'The songs before this one take longer.'
  }
  if (duration(was) === null && duration(now) !== null) return 'The song is longer than its file size suggests.'
  return 'This takes longer than usual.'
}

function isRestart(was: Run | null, now: Run): boolean {
  if (was?.status !== 'IN_PROGRESS') return false
  if (now.status === 'PENDING') return true
  const sameStages = !('stage' in was) || was.stage !== 'downloading'
  return sameStages && (now.progress ?? 0) < (was.progress ?? 0)
}

function place(run: Run | null): number {
  return run !== null && 'queue_position' in run ? (run.queue_position ?? 0) : 0
}

function duration(run: Run | null): number | null {
  return run !== null && 'duration' in run ? (run.duration ?? null) : null
}
