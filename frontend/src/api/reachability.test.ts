import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Reachability } from './reachability'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test('an unreachable server is probed until it answers, and no longer', async () => {
  const reachability = new Reachability()
  let probes = 0
  reachability.probe = () => {
    probes += 1
    if (probes === 3) reachability.set(true)
    return Promise.reject(new Error('away'))
  }
  reachability.set(false)
  let back = false
  void reachability.untilReachable(new AbortController().signal).then(() => (back = true))
  await vi.advanceTimersByTimeAsync(5000)
  expect(back).toBe(false)
  await vi.advanceTimersByTimeAsync(60_000)
  expect([back, probes]).toEqual([true, 3])
})

test('a sign-in after a lost connection ends the wait, and the request for it does not', async () => {
  const reachability = new Reachability()
  reachability.set(false)
  let back = false
  void reachability.untilReachable(new AbortController().signal).then(() => (back = true))
  reachability.set(false, true)
  await vi.advanceTimersByTimeAsync(1)
  expect([back, reachability.isSignedOut()]).toEqual([false, true])
  reachability.set(true)
  await vi.advanceTimersByTimeAsync(1)
  expect([back, reachability.isSignedOut()]).toEqual([true, false])
})

test('aborting ends the wait', async () => {
  const reachability = new Reachability()
  reachability.set(false)
  const abort = new AbortController()
  const waiting = reachability.untilReachable(abort.signal)
  abort.abort()
  await waiting
})
