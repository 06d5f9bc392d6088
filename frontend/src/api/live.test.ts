import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Client } from './client'
import { Live } from './live'
import { Problem } from './problem'
import { Reachability } from './reachability'
import type { Status } from './types'

/** The browser's end of a socket. */
class Socket {
  sent: string[] = []
  onopen = () => undefined
  onmessage: (event: { data: string }) => void = () => undefined
  onclose = () => undefined
  send(words: string) {
    this.sent.push(words)
  }
  close() {
    this.onclose()
  }
}

let socket: Socket
let asked: number
let refusal: Problem | null
let heard: Status[]

beforeEach(() => {
  vi.useFakeTimers()
  socket = new Socket()
  asked = 0
  refusal = null
  heard = []
})
afterEach(() => vi.useRealTimers())

async function watching(): Promise<void> {
  const client = {
    caller: { reachability: new Reachability() },
    events: () => Promise.resolve(socket),
    absolute: (status: Status) => status,
    statuses: () => {
      asked += 1
      return refusal === null ? Promise.resolve([]) : Promise.reject(refusal)
    },
  }
  new Live(client as unknown as Client, (statuses) => heard.push(...statuses)).watch(['a'])
  await vi.advanceTimersByTimeAsync(200)
}

test('a socket that stands is asked how the songs are, again and again, until it is gone', async () => {
  await watching()
  socket.onopen()
  expect(socket.sent).toHaveLength(1)
  await vi.advanceTimersByTimeAsync(60_000)
  expect(socket.sent).toHaveLength(4)
  socket.close()
  await vi.advanceTimersByTimeAsync(60_000)
  expect(socket.sent).toHaveLength(4)
})

test('until the socket has told something the server is asked, and not after', async () => {
  await watching()
  await vi.advanceTimersByTimeAsync(4000)
  expect(asked).toBe(2)
  socket.onmessage({ data: '{"session_id": "a", "status": "PENDING"}' })
  await vi.advanceTimersByTimeAsync(10_000)
  expect(asked).toBe(2)
  expect(heard.map((status) => status.status)).toEqual(['PENDING'])
})

test('what a gateway says of its own troubles is no news', async () => {
  await watching()
  socket.onmessage({ data: '{"message": "Internal server error", "requestId": "b"}' })
  await vi.advanceTimersByTimeAsync(2000)
  expect(asked).toBe(1)
  expect(heard).toEqual([])
})

test('a server that has too much to do is asked again, one that refuses is not', async () => {
  await watching()
  refusal = new Problem(429, '')
  await vi.advanceTimersByTimeAsync(4000)
  expect(asked).toBe(2)
  refusal = new Problem(403, '')
  await vi.advanceTimersByTimeAsync(10_000)
  expect(asked).toBe(3)
})
