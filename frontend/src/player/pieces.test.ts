import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Client } from '../api/client'
import type { EarlyPieces } from '../api/types'
import { Pieces } from './pieces'

/** A piece with one chunk: the bytes of `b` are 1, 2, 3, and those of `a` are 4, 5. */
const header = { gain: 1, stems: ['b', 'a'], peaks: [[-128, 64], [0, 32]], lengths: [[3, 2]] }
const file = Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), Buffer.from([1, 2, 3, 4, 5])])
const context = { decodeAudioData: (bytes: ArrayBuffer) => Promise.resolve(new Uint8Array(bytes)) } as unknown as BaseAudioContext
let server: Server
let answer: EarlyPieces
let changes: number

beforeEach(async () => {
  changes = 0
  server = createServer((request, response) => {
    const [from, to] = (request.headers.range ?? '').replace('bytes=', '').split('-').map(Number)
    response.writeHead(206).end(file.subarray(from, (to ?? 0) + 1))
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/piece`
  const pieces = [0, 1].map((number) => ({ number, first_chunk: number, chunks: 1, url }))
  answer = { attempt: 'x', stems: ['b', 'a'], sample_rate: 10, chunk_samples: 50, samples: 120, pieces }
})
afterEach(() => server.close())

function opened(): Pieces {
  const pieces = (_: string, first: number) => Promise.resolve({ ...answer, pieces: answer.pieces.slice(first) })
  return new Pieces({ pieces } as unknown as Client, 'id', (stems) => [...stems].sort(), () => (changes += 1))
}

test('stems come in the order of the page, with the chunks that exist', async () => {
  const pieces = opened()
  await pieces.update()
  expect([pieces.stems, pieces.ready, changes]).toEqual([['a', 'b'], 100, 1])
  expect([...pieces.peaksOf('b')]).toEqual([-1, 0.5, -1, 0.5])
  expect(await pieces.load(context, 1, new AbortController().signal)).toEqual([Uint8Array.of(4, 5), Uint8Array.of(1, 2, 3)])
  expect(await pieces.load(context, 2, new AbortController().signal)).toBeNull()
})

test('pieces of another attempt replace those before, and no answer replaces nothing', async () => {
  const pieces = opened()
  await pieces.update()
  const before = answer
  answer = { ...before, attempt: null, stems: [], pieces: [] } // done, or waiting for another worker
  await pieces.update()
  expect(pieces.ready).toBe(100)
  answer = { ...before, attempt: 'y', pieces: before.pieces.slice(0, 1) }
  await pieces.update()
  expect(pieces.ready).toBe(50)
})

test('a piece that was deleted is not there', async () => {
  answer.pieces = answer.pieces.slice(0, 1)
  const pieces = opened()
  await pieces.update()
  server.close()
  server.closeAllConnections()
  expect(await pieces.load(context, 0, new AbortController().signal)).toBeNull()
})
