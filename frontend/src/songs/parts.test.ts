import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Client } from '../api/client'
import { Problem, Unreachable } from '../api/problem'
import { put } from '../api/put'
import { identityOf, isSameFile, sendParts } from './parts'

const PART = 10
const FILE = new File(['0123456789abcdefghijABCDEFGHIJxyz'], 'song.wav', { type: 'audio/wav', lastModified: 7 })
const COUNT = 4

/** Bytes of the parts that have arrived, by number. */
let stored: Map<number, string>
let sent: number[]
let types: (string | null)[]
let running: number
let mostAtOnce: number
/** Status of the next PUT; 0: a broken connection; never: no answer. */
let outcomes: (number | 'never')[]
let joined: boolean
let linksPerAnswer: number

class FakeRequest {
  upload: { onprogress?: (event: { loaded: number }) => void } = {}
  status = 0
  responseText = ''
  onload = () => undefined
  onerror = () => undefined
  onabort = () => undefined
  private part = 0
  private type: string | null = null
  open(_method: string, url: URL) {
    this.part = Number(url.searchParams.get('part'))
  }
  setRequestHeader(_name: string, value: string) {
    this.type = value
  }
  send(body: Blob) {
    sent.push(this.part)
    types.push(this.type)
    running += 1
    mostAtOnce = Math.max(mostAtOnce, running)
    void this.answer(body)
  }
  private async answer(body: Blob) {
    const text = await body.text()
    const outcome = outcomes.shift() ?? 200
    if (outcome === 'never') return
    this.upload.onprogress?.({ loaded: Math.floor(body.size / 2) })
    running -= 1
    this.status = outcome
    if (outcome === 200) stored.set(this.part, text)
    if (outcome === 0) this.onerror()
    else this.onload()
  }
  abort() {
    running -= 1
    this.onabort()
  }
}

const client = {
  uploadParts: () => {
    const numbers = Array.from({ length: COUNT }, (_, index) => index + 1)
    const missing = numbers.filter((number) => !stored.has(number)).slice(0, linksPerAnswer)
    const parts = missing.map((number) => ({ number, url: `https://files/put?part=${number}` }))
    return Promise.resolve({ partBytes: PART, uploaded: [...stored.keys()], parts })
  },
  completeUpload: () => {
    joined = stored.size === COUNT
    return Promise.resolve()
  },
  link: (url: string) => url,
} as unknown as Client

async function send(): Promise<number[]> {
  const progress: number[] = []
  const events = { onProgress: (bytes: number) => progress.push(bytes), onPart: () => undefined }
  await sendParts(client, 'id', FILE, events, new AbortController().signal)
  return progress
}

beforeEach(() => {
  stored = new Map()
  sent = []
  types = []
  running = 0
  mostAtOnce = 0
  outcomes = []
  joined = false
  linksPerAnswer = 100
  vi.stubGlobal('XMLHttpRequest', FakeRequest)
})
afterEach(() => {
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

test('the parts together are the file, two are sent at once, without a media type', async () => {
  const progress = await send()
  expect([1, 2, 3, 4].map((number) => stored.get(number)).join('')).toBe(await FILE.text())
  expect(joined).toBe(true)
  expect(mostAtOnce).toBe(2)
  expect(types).toEqual([null, null, null, null])
  expect(progress[0]).toBe(0)
  expect(progress.at(-1)).toBe(FILE.size)
})

test('only missing parts are sent, and the progress begins with what has arrived', async () => {
  stored = new Map([
    [1, '0123456789'],
    [4, 'xyz'],
  ])
  const progress = await send()
  expect(sent.sort()).toEqual([2, 3])
  expect(progress[0]).toBe(13)
  expect(progress.at(-1)).toBe(33)
})

test('links come in several answers', async () => {
  linksPerAnswer = 1
  await send()
  expect(sent).toEqual([1, 2, 3, 4])
})

test('after an error no other part is begun, and a second call sends the rest', async () => {
  outcomes = [0, 200]
  await expect(send()).rejects.toBeInstanceOf(Unreachable)
  expect(sent).toEqual([1, 2])
  expect(joined).toBe(false)
  await send()
  expect(sent).toEqual([1, 2, 1, 3, 4])
  expect(joined).toBe(true)
})

test.each([400, 403, 404, 408])('a link that is refused with %i can be tried again with a new one', async (status) => {
  outcomes = [status]
  const error = await send().catch((caught: unknown) => caught)
  expect(error).toBeInstanceOf(Problem)
  expect((error as Problem).transient).toBe(true)
})

test.each([409, 413, 415])('a part that is refused with %i is not tried again', async (status) => {
  outcomes = [status]
  const error = await send().catch((caught: unknown) => caught)
  expect((error as Problem).transient).toBe(false)
})

test('a connection without progress counts as lost, as after a sleep', async () => {
  outcomes = ['never']
  vi.useFakeTimers()
  const sending = put(new URL('https://files/put'), FILE, () => undefined, new AbortController().signal)
  const lost = expect(sending).rejects.toBeInstanceOf(Unreachable)
  await vi.advanceTimersByTimeAsync(130_000)
  await lost
  expect(running).toBe(0)
})

test('the same file is recognised by name, size and date', () => {
  const one = identityOf(FILE)
  expect(isSameFile(one, FILE)).toBe(true)
  for (const other of [{ name: 'other.wav' }, { size: 1 }, { lastModified: 8 }]) {
    expect(isSameFile(one, { ...one, ...other })).toBe(false)
  }
})
