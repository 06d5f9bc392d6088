import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { OutputFile, Status } from '../api/types'
import { KeptSongs } from './kept'

const PAGE = 'https://example.org/'

/** The part of the browser's storage that the page uses. */
class MemoryCache {
  readonly files = new Map<string, Response>()

  match(request: string | Request) {
    return Promise.resolve(this.files.get(addressOf(request))?.clone())
  }

  put(request: string | Request, response: Response) {
    this.files.set(addressOf(request), response)
    return Promise.resolve()
  }

  delete(request: string | Request) {
    return Promise.resolve(this.files.delete(addressOf(request)))
  }

  keys() {
    return Promise.resolve([...this.files.keys()].map((url) => new Request(url)))
  }
}

function addressOf(request: string | Request): string {
  return typeof request === 'string' ? request : request.url
}

function file(session: string, type: string): OutputFile {
  const url = `${PAGE}files/outputs/${session}/${type}`
  return { type, peaks_url: `${url}.peaks.json?sig=1`, play_url: `${url}.play?sig=1` } as OutputFile
}

const song: Status = { session_id: 'song', status: 'COMPLETED', output_files: [file('song', 'vocals'), file('part', 'lead')] }
let cache: MemoryCache
let fails: (url: string) => boolean

beforeEach(() => {
  cache = new MemoryCache()
  fails = () => false
  vi.stubGlobal('document', { baseURI: PAGE })
  vi.stubGlobal('fetch', (url: string) => {
    if (fails(url)) return new Promise(() => undefined) // until the page is closed
    return Promise.resolve(url.includes('.peaks.json') ? Response.json({ play: { offsets: [0, 4, 8] } }) : new Response('0123456789'))
  })
})

afterEach(() => vi.unstubAllGlobals())

test('a song goes with all files of its parts, which are files of another session', async () => {
  const kept = new KeptSongs(cache as unknown as Cache)
  await kept.keep(song)
  expect(await kept.statuses()).toEqual([song])
  expect([...cache.files.keys()].filter((url) => url.includes('/part/'))).toHaveLength(4)
  await kept.removeOthers(new Set(['another']))
  expect([...cache.files.keys()]).toEqual([])
})

test('parts that were deleted are not kept', async () => {
  const kept = new KeptSongs(cache as unknown as Cache)
  await kept.keep(song)
  await kept.keep({ ...song, output_files: [file('song', 'vocals')] })
  expect([...cache.files.keys()].filter((url) => url.includes('/part/'))).toEqual([])
})

test('what a closed page left of a song is removed with the song, and not shown before', async () => {
  fails = (url) => url.includes('/part/')
  void new KeptSongs(cache as unknown as Cache).keep(song)
  await vi.waitFor(() => expect([...cache.files.keys()].filter((url) => url.includes('vocals.play'))).toHaveLength(3))
  const later = new KeptSongs(cache as unknown as Cache)
  expect(await later.statuses()).toEqual([])
  await later.removeOthers(new Set())
  expect([...cache.files.keys()]).toEqual([])
})
