import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Client } from './client'
import { Problem } from './problem'
import { Reachability } from './reachability'
import type { Status } from './types'
import { StatusWatcher } from './watcher'

/** The browser's end of a WebSocket. */
class FakeSocket {
  sent: string[] = []
  onopen = () => undefined
  onmessage: (event: { data: string }) => void = () => undefined
  onclose = () => undefined
  send(message: string) {
    this.sent.push(message)
  }
  close() {
    this.onclose()
  }
}

let socket: FakeSocket
let polls: number
let refusal: Problem | null
let received: Status[]

beforeEach(() => {
  vi.useFakeTimers()
  socket = new FakeSocket()
  polls = 0
  refusal = null
  received = []
})
afterEach(() => vi.useRealTimers())

async function startWatching(): Promise<void> {
  const client = {
    connection: { reachability: new Reachability() },
    events: () => Promise.resolve(socket),
    absoluteLinks: (status: Status) => status,
    statuses: () => {
      polls += 1
      return refusal === null ? Promise.resolve([]) : Promise.reject(refusal)
    },
  }
  new StatusWatcher(client as unknown as Client, (statuses) => received.push(...statuses)).watch(['a'])
  await vi.advanceTimersByTimeAsync(200)
}

test('an open socket gets a status request every 20 s until it closes', async () => {
  await startWatching()
  socket.onopen()
  expect(socket.sent).toHaveLength(1)
  await vi.advanceTimersByTimeAsync(60_000)
  expect(socket.sent).toHaveLength(4)
  socket.close()
  await vi.advanceTimersByTimeAsync(60_000)
  expect(socket.sent).toHaveLength(4)
})

test('polling ends with the first message of the socket', async () => {
  await startWatching()
  await vi.advanceTimersByTimeAsync(4000)
  expect(polls).toBe(2)
  socket.onmessage({ data: '{"session_id": "a", "status": "PENDING"}' })
  await vi.advanceTimersByTimeAsync(10_000)
  expect(polls).toBe(2)
  expect(received.map((status) => status.status)).toEqual(['PENDING'])
})

test("a gateway's error message changes nothing", async () => {
  await startWatching()
  socket.onmessage({ data: '{"message": "Internal server error", "requestId": "b"}' })
  await vi.advanceTimersByTimeAsync(2000)
  expect(polls).toBe(1)
  expect(received).toEqual([])
})

test('polling goes on after 429 and ends after a refusal', async () => {
  await startWatching()
  refusal = new Problem(429, '')
  await vi.advanceTimersByTimeAsync(4000)
  expect(polls).toBe(2)
  refusal = new Problem(403, '')
  await vi.advanceTimersByTimeAsync(10_000)
  expect(polls).toBe(3)
})
