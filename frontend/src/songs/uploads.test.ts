import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Client } from '../api/client'
import { Problem, Unreachable } from '../api/problem'
import { type Session, Uploads } from './uploads'

/** Status of each PUT; 0 is a broken connection. */
let puts: number[]
let calls: string[]
let processErrors: Error[]
let partErrors: Error[]
let partBytes: number | null
/** Numbers of the parts that have arrived. */
let arrived: Set<number>

class FakeRequest {
  upload = {}
  status = 0
  responseText = ''
  onload = () => undefined
  onerror = () => undefined
  private part = 0
  open(_method: string, url: URL) {
    this.part = Number(url.searchParams.get('part'))
  }
  setRequestHeader() {
    return undefined
  }
  send() {
    calls.push(this.part === 0 ? 'put' : `put ${this.part}`)
    this.status = puts.shift() ?? 200
    if (this.status === 200) arrived.add(this.part)
    queueMicrotask(() => (this.status === 0 ? this.onerror() : this.onload()))
  }
}

function fakeClient(): Client {
  let sessions = 0
  const client = {
    upload: () => {
      sessions += 1
      calls.push(`upload ${sessions}`)
      const names = { sessionId: `id${sessions}`, s3Key: `key${sessions}` }
      return Promise.resolve({ ...names, uploadUrl: 'https://files/put', partBytes })
    },
    uploadParts: (id: string) => {
      calls.push(`parts ${id}`)
      const error = partErrors.shift()
      if (error !== undefined) return Promise.reject(error)
      const missing = [1, 2, 3, 4].filter((number) => !arrived.has(number))
      const parts = missing.map((number) => ({ number, url: `https://files/put?part=${number}` }))
      return Promise.resolve({ partBytes, uploaded: [...arrived], parts })
    },
    completeUpload: (id: string) => {
      calls.push(`complete ${id}`)
      return Promise.resolve()
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

function upload(session: Session | null = null): Promise<string> {
  const choices = { model: 'auto', stems: 'vocals', format: 'wav', video: false, notify: '' }
  return new Promise((resolve) => {
    new Uploads(fakeClient()).add(new File(['song'], 'song.mp3', { type: 'audio/mpeg' }), choices, {
      onStart: () => undefined,
      onProgress: ({ state, problem }) => {
        if (state === 'failed') resolve(problem ?? '')
      },
      onDone: () => resolve('done'),
    }, session)
  })
}

beforeEach(() => {
  puts = []
  calls = []
  processErrors = []
  partErrors = []
  partBytes = null
  arrived = new Set()
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

test('a large file goes on after a break, in the same session and without the parts that have arrived', async () => {
  partBytes = 1
  puts = [200, 0, 0, 200, 200]
  const ended = upload()
  await vi.runAllTimersAsync()
  expect(await ended).toBe('done')
  const sent = calls.filter((one) => one.startsWith('put')).map((one) => Number(one.slice(4)))
  expect(sent).toHaveLength(6)
  expect([...new Set(sent)].sort()).toEqual([1, 2, 3, 4])
  expect(calls.filter((one) => one.startsWith('upload'))).toEqual(['upload 1'])
  expect(calls.filter((one) => one.startsWith('cleanup'))).toEqual([])
  expect(calls.slice(-3)).toEqual(['parts id1', 'complete id1', 'process id1 key1'])
})

test('an upload of an earlier visit goes on', async () => {
  partBytes = 1
  arrived = new Set([1, 2, 4])
  const ended = upload({ id: 'old', key: 'key', url: null })
  await vi.runAllTimersAsync()
  expect(await ended).toBe('done')
  expect(calls).toEqual(['parts old', 'put 3', 'parts old', 'complete old', 'process old key'])
})

test('an upload whose session has expired begins again with a new one', async () => {
  partBytes = 4
  partErrors = [new Problem(404, 'Expired.')]
  arrived = new Set([1, 2, 3, 4])
  const ended = upload({ id: 'old', key: 'key', url: null })
  await vi.runAllTimersAsync()
  expect(await ended).toBe('done')
  expect(calls).toEqual(['parts old', 'upload 1', 'parts id1', 'complete id1', 'process id1 key1'])
})

test('as long as parts arrive, a bad connection does not end an upload', async () => {
  partBytes = 1
  puts = Array.from({ length: 30 }, (_, index) => (index % 8 === 7 ? 200 : 0))
  const ended = upload()
  await vi.runAllTimersAsync()
  expect(await ended).toBe('done')
})

test('an upload of which nothing arrives ends with the cause', async () => {
  partBytes = 1
  puts = Array<number>(100).fill(0)
  const ended = upload()
  await vi.runAllTimersAsync()
  expect(await ended).toContain('can’t be reached')
})
