/** One JSON request to the API: the address, who asks, patience with a server that asks for it, errors in words. */
import { Problem, problemFrom, Unreachable } from './problem'
import type { Reachability } from './reachability'

export interface Caller {
  /** Where the API is, ending in `/`. */
  base: URL
  /** Marks this browser's songs on a server without sign-in. */
  browserToken: string
  /** The bearer token of whoever is signed in. */
  token: () => Promise<string | null>
  /** Hears whether the server answers. */
  reachability: Reachability
}

const PATIENCE = 4 // times a request is asked again after 429

export async function call<T>(caller: Caller, method: 'GET' | 'POST', path: string, body?: unknown): Promise<T> {
  const headers: Record<string, string> = { 'X-Browser-Token': caller.browserToken }
  const token = await caller.token()
  if (token !== null) headers.Authorization = `Bearer ${token}`
  if (body !== undefined) headers['Content-Type'] = 'application/json'
  for (let tries = 0; ; tries += 1) {
    const response = await answer(caller, new URL(path, caller.base), {
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
    })
    const text = await response.text()
    if (response.ok) {
      try {
        return JSON.parse(text) as T
      } catch {
        // a static host that answers every path with its page
        throw new Problem(response.status, 'There is no Unbraid server at the address this page was set up with.')
      }
    }
    if (response.status !== 429 || tries >= PATIENCE) throw problemFrom(response.status, text)
    await sleep(retryAfter(response, tries) * 1000)
  }
}

async function answer(caller: Caller, url: URL, init: RequestInit): Promise<Response> {
  try {
    const response = await fetch(url, init)
    // what a proxy says while the server behind it restarts
    caller.reachability.set(![502, 503, 504].includes(response.status))
    return response
  } catch {
    caller.reachability.set(false)
    throw new Unreachable()
  }
}

/**
 * Seconds to wait after a 429: those it asks for, else twice as many with each try (a gateway's own refusals say nothing).
 * At least one, and never so many that the page seems stuck.
 */
export function retryAfter(response: Response, tries: number): number {
  const asked = Number(response.headers.get('Retry-After') ?? Number.NaN)
  return Math.min(Math.max(Number.isFinite(asked) ? asked : 2 ** tries, 1), 30)
}

export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    signal?.addEventListener('abort', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}
