import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Reachability } from './reachability'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test('a server that is away is asked until it is back, and then no more', async () => {
  const reachability = new Reachability()
  let asked = 0
  reachability.ask = () => {
    asked += 1
    if (asked === 3) reachability.set(true)
    return Promise.reject(new Error('away'))
  }
  reachability.set(false)
  let back = false
  void reachability.back(new AbortController().signal).then(() => (back = true))
  await vi.advanceTimersByTimeAsync(5000)
  expect(back).toBe(false)
  await vi.advanceTimersByTimeAsync(60_000)
  expect([back, asked]).toEqual([true, 3])
})

test('whoever gives up waits no longer', async () => {
  const reachability = new Reachability()
  reachability.set(false)
  const stop = new AbortController()
  const waiting = reachability.back(stop.signal)
  stop.abort()
  await waiting
})
