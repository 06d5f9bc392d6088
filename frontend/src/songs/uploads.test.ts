import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Client } from '../api/client'
import { Problem, Unreachable } from '../api/problem'
import { Uploads } from './uploads'

/** Status of each PUT; 0 is a broken connection. */
let puts: number[]
let calls: string[]
let processErrors: Error[]

class FakeRequest {
  upload = {}
  status = 0
  responseText = ''
  onload = () => undefined
  onerror = () => undefined
  open() {
    return undefined
  }
  setRequestHeader() {
    return undefined
  }
  send() {
    calls.push('put')
    this.status = puts.shift() ?? 200
    queueMicrotask(() => (this.status === 0 ? this.onerror() : this.onload()))
  }
}

function fakeClient(): Client {
  let sessions = 0
  const client = {
    upload: () => {
      sessions += 1
      calls.push(`upload ${sessions}`)
      return Promise.resolve({ sessionId: `id${sessions}`, s3Key: `key${sessions}`, uploadUrl: 'https://files/put' })
    },
    process: (id: string, key: string) => {
      calls.push(`process ${id} ${key}`)
      const error = processErrors.shift()
      return error === undefined ? Promise.resolve({ status: 'PENDING' }) : Promise.reject(error)
    },
    cleanup: (id: string) => {
      calls.push(`cleanup ${id}`)
      return Promise.resolve({ deleted: 1 })
    },
    link: (url: string) => url,
    connection: { reachability: { untilReachable: () => Promise.resolve() } },
  }
  return client as unknown as Client
}

function upload(): Promise<string> {
  const choices = { model: 'auto', stems: 'vocals', format: 'wav', video: false, notify: '' }
  return new Promise((resolve) => {
    new Uploads(fakeClient()).add(new File(['song'], 'song.mp3', { type: 'audio/mpeg' }), choices, {
      onStart: () => undefined,
      onProgress: ({ state, problem }) => {
        if (state === 'failed') resolve(problem ?? '')
      },
      onDone: () => resolve('done'),
    })
  })
}

beforeEach(() => {
  puts = []
  calls = []
  processErrors = []
  vi.stubGlobal('XMLHttpRequest', FakeRequest)
  vi.useFakeTimers()
})
afterEach(() => {
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

test('a song that can not be queued yet is uploaded once, and only the request to queue it is repeated', async () => {
  processErrors = [new Problem(503, 'Busy.'), new Problem(500, 'Broken.'), new Unreachable()]
  const ended = upload()
  await vi.runAllTimersAsync()
  expect(await ended).toBe('done')
  expect(calls).toEqual(['upload 1', 'put', ...Array<string>(4).fill('process id1 key1')])
})

test('an upload that breaks starts again with a new session, and the first one is deleted', async () => {
  puts = [0]
  const ended = upload()
  await vi.runAllTimersAsync()
  expect(await ended).toBe('done')
  expect(calls).toEqual(['upload 1', 'put', 'cleanup id1', 'upload 2', 'put', 'process id2 key2'])
})

test('a refused song is not sent again', async () => {
  processErrors = [new Problem(415, 'Not a song.')]
  const ended = upload()
  await vi.runAllTimersAsync()
  expect(await ended).toBe('Not a song.')
  expect(calls).toEqual(['upload 1', 'put', 'process id1 key1'])
})
