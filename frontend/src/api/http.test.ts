import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { call, type Caller, retryAfter } from './http'
import { Unreachable } from './problem'
import { Reachability } from './reachability'

let server: Server
let caller: Caller
let answers: { status: number; headers?: Record<string, string>; body: string }[]
let asked: { url: string | undefined; headers: Record<string, unknown> }[]

beforeEach(async () => {
  answers = []
  asked = []
  server = createServer((request, response) => {
    asked.push({ url: request.url, headers: request.headers })
    const answer = answers.shift() ?? { status: 200, body: '{}' }
    response.writeHead(answer.status, answer.headers).end(answer.body)
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  caller = {
    base: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/api/`),
    browserToken: 'mine',
    token: () => Promise.resolve('key'),
    reachability: new Reachability(),
  }
})
afterEach(() => server.close())

test('a call goes below the base, and says whose it is', async () => {
  await call(caller, 'POST', 'upload', {})
  expect(asked[0]?.url).toBe('/api/upload')
  expect(asked[0]?.headers).toMatchObject({ 'x-browser-token': 'mine', authorization: 'Bearer key' })
})

test('a server that asks for patience is asked again when it said', async () => {
  answers = [{ status: 429, headers: { 'Retry-After': '1' }, body: '' }, { status: 200, body: '{"well": true}' }]
  const begun = Date.now()
  expect(await call(caller, 'GET', 'models')).toEqual({ well: true })
  expect(Date.now() - begun).toBeGreaterThan(950)
})

test('where nothing says how long to wait, each wait is twice the last, and none is endless', () => {
  const bare = new Response('', { status: 429 })
  expect([0, 1, 2, 9].map((tries) => retryAfter(bare, tries))).toEqual([1, 2, 4, 30])
  expect(retryAfter(new Response('', { headers: { 'Retry-After': '7' } }), 3)).toBe(7)
  expect(retryAfter(new Response('', { headers: { 'Retry-After': 'Wed, 21 Oct 2026 07:28:00 GMT' } }), 0)).toBe(1)
})

test('a proxy that stands in for a server that is away counts as unreachable, a refusal does not', async () => {
  answers = [{ status: 502, body: '<html>' }, { status: 404, body: '{"detail": "Gone."}' }]
  await expect(call(caller, 'GET', 'models')).rejects.toThrow('Something went wrong on the server')
  expect(caller.reachability.snapshot()).toBe(false)
  await expect(call(caller, 'GET', 'models')).rejects.toThrow('Gone.')
  expect(caller.reachability.snapshot()).toBe(true)
})

test('no answer at all is told apart from a refusal', async () => {
  caller = { ...caller, base: new URL('http://127.0.0.1:9/') }
  await expect(call(caller, 'GET', 'models')).rejects.toBeInstanceOf(Unreachable)
})

test('a page instead of an answer is told as a wrong address', async () => {
  answers = [{ status: 200, body: '<html>' }]
  await expect(call(caller, 'GET', 'config')).rejects.toThrow('no Unbraid server')
})
