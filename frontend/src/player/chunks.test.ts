import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ChunkCache } from './chunks'

const CHUNK_BYTES = 10
const audio = Uint8Array.from({ length: 20 * CHUNK_BYTES }, (_, index) => index)
let server: Server
let address: string
let requests: string[]
let expired: boolean
let unreadable: boolean

beforeEach(async () => {
  requests = []
  expired = false
  unreadable = false
  server = createServer((request, response) => {
    const range = request.headers.range ?? ''
    requests.push(`${request.url} ${range}`)
    const [from, to] = range.replace('bytes=', '').split('-').map(Number)
    const old = request.url?.startsWith('/old') === true
    if (unreadable && old) request.socket.destroy()
    else if (expired && old) response.writeHead(404).end()
    else response.writeHead(206).end(audio.subarray(from, (to ?? 0) + 1))
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterEach(() => server.close())

/** "Decodes" by returning the bytes. */
const context = { decodeAudioData: (bytes: ArrayBuffer) => Promise.resolve([...new Uint8Array(bytes)]) }

function chunkCache(): ChunkCache {
  const offsets = Array.from({ length: 21 }, (_, chunk) => chunk * CHUNK_BYTES)
  const pairs = { pairs: new Float32Array(), samplesPerPair: 64, fine: null, beats: [], gain: 1 }
  const peaks = { chunkSamples: 5, samples: 100, sampleRate: 1, offsets, ...pairs }
  const stem = (name: string) => ({ name, peaks, url: `${address}/old/${name}` })
  const freshUrls = () => Promise.resolve([`${address}/new/a`, `${address}/new/b`])
  return new ChunkCache(context as unknown as BaseAudioContext, [stem('a'), stem('b')], freshUrls)
}

test('a chunk is the same byte range of every stem, fetched once', async () => {
  const chunks = chunkCache()
  expect(chunks.get(3)).toBeNull()
  await Promise.all([chunks.load(3), chunks.load(3)])
  await chunks.load(3)
  expect(requests.sort()).toEqual(['/old/a bytes=30-39', '/old/b bytes=30-39'])
  expect(chunks.get(3)).toEqual([[...audio.subarray(30, 40)], [...audio.subarray(30, 40)]])
})

test('only the last six chunks stay in memory', async () => {
  const chunks = chunkCache()
  for (let chunk = 0; chunk < 20; chunk += 1) await chunks.load(chunk)
  const cached = Array.from({ length: 20 }, (_, chunk) => chunk).filter((chunk) => chunks.get(chunk) !== null)
  expect(cached).toEqual([14, 15, 16, 17, 18, 19])
})

test('expired links are refreshed', async () => {
  const chunks = chunkCache()
  expired = true
  await chunks.load(0)
  expect(chunks.get(0)).toHaveLength(2)
  await chunks.load(1)
  expect(requests.at(-1)).toMatch(/^\/new/)
})

test('links that fail without a readable response, as on another origin, are refreshed too', async () => {
  const chunks = chunkCache()
  unreadable = true
  await chunks.load(0)
  expect(chunks.get(0)).toHaveLength(2)
})

test('closing stops all fetches', async () => {
  const chunks = chunkCache()
  const loading = chunks.load(0)
  chunks.close()
  await expect(loading).rejects.toThrow()
})
