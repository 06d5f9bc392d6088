import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Client } from './client'
import { call, type Connection, retryAfter } from './http'
import { SignedOut, Unreachable } from './problem'
import { Reachability } from './reachability'
import type { ServerConfig } from './types'

let server: Server
let connection: Connection
let answers: { status: number; headers?: Record<string, string>; body: string }[]
let requests: { url: string | undefined; headers: Record<string, unknown> }[]

beforeEach(async () => {
  answers = []
  requests = []
  server = createServer((request, response) => {
    requests.push({ url: request.url, headers: request.headers })
    const answer = answers.shift() ?? { status: 200, body: '{}' }
    response.writeHead(answer.status, answer.headers).end(answer.body)
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  connection = {
    base: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/api/`),
    browserToken: 'mine',
    token: () => Promise.resolve('key'),
    reachability: new Reachability(),
  }
})
afterEach(() => server.close())

test('a request goes below the base address with both tokens', async () => {
  await call(connection, 'POST', 'upload', {})
  expect(requests[0]?.url).toBe('/api/upload')
  expect(requests[0]?.headers).toMatchObject({ 'x-browser-token': 'mine', authorization: 'Bearer key' })
})

test('a request is repeated after the time in Retry-After', async () => {
  answers = [{ status: 429, headers: { 'Retry-After': '1' }, body: '' }, { status: 200, body: '{"well": true}' }]
  const begun = Date.now()
  expect(await call(connection, 'GET', 'models')).toEqual({ well: true })
  expect(Date.now() - begun).toBeGreaterThan(950)
})

test('a request is not repeated if the time to wait is longer than all retries', async () => {
  const detail = 'Each user may upload 200 songs an hour. Try again in 40 minutes.'
  answers = [{ status: 429, headers: { 'Retry-After': '2400' }, body: JSON.stringify({ detail }) }]
  await expect(call(connection, 'POST', 'upload', {})).rejects.toThrow(detail)
  expect(requests).toHaveLength(1)
})

test('a busy server that names the time to wait stays reachable', async () => {
  answers = [{ status: 503, headers: { 'Retry-After': '1' }, body: '' }, { status: 200, body: '{"well": true}' }]
  expect(await call(connection, 'POST', 'process', {})).toEqual({ well: true })
  expect(requests).toHaveLength(2)
  expect(connection.reachability.snapshot()).toBe(true)
})

test('with a shared password, 401 waits for the sign-in as for a lost connection', async () => {
  const refusal = { status: 401, body: '{"detail": "Please sign in."}' }
  answers = [refusal, refusal]
  await expect(call(connection, 'GET', 'models')).rejects.toThrow('Please sign in.')
  expect(connection.reachability.snapshot()).toBe(true)
  connection.hasPassword = true
  await expect(call(connection, 'GET', 'models')).rejects.toThrow(SignedOut)
  expect([connection.reachability.snapshot(), connection.reachability.isSignedOut()]).toEqual([false, true])
  await call(connection, 'GET', 'models')
  expect([connection.reachability.snapshot(), connection.reachability.isSignedOut()]).toEqual([true, false])
})

test('a page that opened without a connection knows from the last visit that 401 asks for the password', async () => {
  answers = [{ status: 401, body: '' }]
  const client = new Client(connection)
  client.use({ password: true, events: null } as ServerConfig)
  await expect(client.models()).rejects.toThrow(SignedOut)
})

test('without Retry-After the wait doubles up to a limit', () => {
  const bare = new Response('', { status: 429 })
  expect([0, 1, 2, 9].map((retries) => retryAfter(bare, retries))).toEqual([1, 2, 4, 30])
  expect(retryAfter(new Response('', { headers: { 'Retry-After': '7' } }), 3)).toBe(7)
  expect(retryAfter(new Response('', { headers: { 'Retry-After': 'Wed, 21 Oct 2026 07:28:00 GMT' } }), 0)).toBe(1)
})

test('a bad gateway counts as unreachable, a refusal does not', async () => {
  answers = [{ status: 502, body: '<html>' }, { status: 404, body: '{"detail": "Gone."}' }]
  await expect(call(connection, 'GET', 'models')).rejects.toThrow('Something went wrong on the server')
  expect(connection.reachability.snapshot()).toBe(false)
  await expect(call(connection, 'GET', 'models')).rejects.toThrow('Gone.')
  expect(connection.reachability.snapshot()).toBe(true)
})

test('no connection raises Unreachable', async () => {
  connection = { ...connection, base: new URL('http://127.0.0.1:9/') }
  await expect(call(connection, 'GET', 'models')).rejects.toBeInstanceOf(Unreachable)
})

test('an HTML page instead of JSON is reported as a wrong address', async () => {
  answers = [{ status: 200, body: '<html>' }]
  await expect(call(connection, 'GET', 'config')).rejects.toThrow('no Unbraid server')
})
