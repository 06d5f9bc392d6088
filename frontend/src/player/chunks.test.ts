import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Chunks } from './chunks'

const CHUNK = 10 // bytes
const sound = Uint8Array.from({ length: 20 * CHUNK }, (_, place) => place)
let server: Server
let address: string
let asked: string[]
let expired: boolean
let hidden: boolean

beforeEach(async () => {
  asked = []
  expired = false
  hidden = false
  server = createServer((request, response) => {
    const range = request.headers.range ?? ''
    asked.push(`${request.url} ${range}`)
    const [from, to] = range.replace('bytes=', '').split('-').map(Number)
    if (hidden && request.url?.startsWith('/old') === true) request.socket.destroy()
    else if (expired && request.url?.startsWith('/old') === true) response.writeHead(404).end()
    else response.writeHead(206).end(sound.subarray(from, (to ?? 0) + 1))
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterEach(() => server.close())

/** What decodes in a browser; here the bytes are the sound. */
const context = { decodeAudioData: (bytes: ArrayBuffer) => Promise.resolve([...new Uint8Array(bytes)]) }

function chunks(): Chunks {
  const offsets = Array.from({ length: 21 }, (_, place) => place * CHUNK)
  const peaks = { chunkSamples: 5, samples: 100, sampleRate: 1, samplesPerPixel: 1, pairs: new Float32Array(), offsets }
  const source = (name: string) => ({ name, peaks, url: `${address}/old/${name}` })
  const anew = () => Promise.resolve([`${address}/new/a`, `${address}/new/b`])
  return new Chunks(context as unknown as BaseAudioContext, [source('a'), source('b')], anew)
}

test('a chunk is the same range of bytes of every stem, fetched once', async () => {
  const found = chunks()
  expect(found.get(3)).toBeNull()
  await Promise.all([found.load(3), found.load(3)])
  await found.load(3)
  expect(asked.sort()).toEqual(['/old/a bytes=30-39', '/old/b bytes=30-39'])
  expect(found.get(3)).toEqual([[...sound.subarray(30, 40)], [...sound.subarray(30, 40)]])
})

test('however long the song, only the last few chunks are kept', async () => {
  const found = chunks()
  for (let chunk = 0; chunk < 20; chunk += 1) await found.load(chunk)
  const kept = Array.from({ length: 20 }, (_, chunk) => chunk).filter((chunk) => found.get(chunk) !== null)
  expect(kept).toEqual([14, 15, 16, 17, 18, 19])
})

test('links that have run out are asked for anew', async () => {
  const found = chunks()
  expired = true
  await found.load(0)
  expect(found.get(0)).toHaveLength(2)
  await found.load(1)
  expect(asked.at(-1)).toMatch(/^\/new/)
})

test('links that fail without a word, as refusals of another origin do, are asked for anew too', async () => {
  const found = chunks()
  hidden = true
  await found.load(0)
  expect(found.get(0)).toHaveLength(2)
})

test('nothing more is fetched for a song that is closed', async () => {
  const found = chunks()
  const loading = found.load(0)
  found.close()
  await expect(loading).rejects.toThrow()
})
