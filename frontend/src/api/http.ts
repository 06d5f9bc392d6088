/** One JSON request to the API: headers, retries when the server is busy, errors as sentences. */
import { Problem, problemFrom, SignedOut, Unreachable } from './problem'
import type { Reachability } from './reachability'

export interface Connection {
  /** Address of the API, ending in `/`. */
  base: URL
  /** Identifies this browser's songs on a server without sign-in. */
  browserToken: string
  /** Bearer token of the signed-in user; null without sign-in. */
  token: () => Promise<string | null>
  /** Updated after every request. */
  reachability: Reachability
  /** Whether all users share one password. Then 401 means that this browser is signed out. */
  hasPassword?: boolean
  /** The server has refused the token. */
  onUnauthorised?: () => void
}

const MAX_RETRIES = 4 // after status 429, or 503 with the time to wait
const MAX_WAIT_S = 30 // before each retry

export async function call<T>(connection: Connection, method: 'GET' | 'POST', path: string, body?: unknown): Promise<T> {
  const headers: Record<string, string> = { 'X-Browser-Token': connection.browserToken }
  const token = await connection.token()
  if (token !== null) headers.Authorization = `Bearer ${token}`
  if (body !== undefined) headers['Content-Type'] = 'application/json'
  for (let retries = 0; ; retries += 1) {
    const response = await send(connection, new URL(path, connection.base), {
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
    })
    const text = await response.text()
    if (response.ok) {
      try {
        return JSON.parse(text) as T
      } catch {
        // A static host may answer every path with its index page.
        throw new Problem(response.status, 'There is no Unbraid server at the configured address.')
      }
    }
    if (response.status === 401) connection.onUnauthorised?.()
    const busy = response.status === 429 || (response.status === 503 && response.headers.has('Retry-After'))
    // A limit for the hour is left to the user: the answer says how long to wait.
    const tooLong = Number(response.headers.get('Retry-After')) > MAX_RETRIES * MAX_WAIT_S
    if (!busy || tooLong || retries >= MAX_RETRIES) throw problemFrom(response.status, text)
    await sleep(retryAfter(response, retries) * 1000)
  }
}

async function send(connection: Connection, url: URL, init: RequestInit): Promise<Response> {
  try {
    const response = await fetch(url, init)
    // A proxy answers with these while the server behind it restarts. With the time to wait, the server itself answers.
    const away = [502, 503, 504].includes(response.status) && !response.headers.has('Retry-After')
    const signedOut = response.status === 401 && connection.hasPassword === true
    connection.reachability.set(!away && !signedOut, signedOut)
    if (!signedOut) return response
  } catch {
    connection.reachability.set(false)
    throw new Unreachable()
  }
  throw new SignedOut()
}

/**
 * Seconds to wait after a 429 or 503, 1 to 30: the `Retry-After` header, or exponential backoff without one
 * (an API gateway throttles without the header).
 */
export function retryAfter(response: Response, retries: number): number {
  const seconds = Number(response.headers.get('Retry-After') ?? Number.NaN)
  return Math.min(Math.max(Number.isFinite(seconds) ? seconds : 2 ** retries, 1), MAX_WAIT_S)
}

export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, ms)
    signal?.addEventListener('abort', end)
  })
}
