/** Addresses of kept files, and the way to them. Links change with every answer of the server; their paths don't. */

/** The part of STEM.peaks.json that says where the pieces of STEM.play are. */
export interface PeaksTable {
  play: { offsets: number[] }
}

export function withoutQuery(url: string): string {
  const { origin, pathname } = new URL(url, document.baseURI)
  return origin + pathname
}

/** `from`: first byte of the piece in the file. */
export function pieceKey(url: string, from: number): string {
  return `${withoutQuery(url)}?from=${from}`
}

export function statusKey(id: string): string {
  return new URL(`offline/${id}`, document.baseURI).href
}

/** The kept file, or the piece that a `Range` asks for; else from the server. */
export async function fetchKept(cache: Cache | null, url: string, init: RequestInit): Promise<Response> {
  const from = /^bytes=(\d+)-/.exec(new Headers(init.headers).get('Range') ?? '')?.[1]
  const kept = await cache?.match(from === undefined ? withoutQuery(url) : pieceKey(url, Number(from)))
  if (kept === undefined) return fetch(url, init)
  return from === undefined ? kept : new Response(kept.body, { status: 206 })
}
