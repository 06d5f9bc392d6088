/**
 * Songs that this browser keeps, so that they play without a connection: those that were opened last, up to a limit. The
 * storage belongs to one owner (a signed-in user, or this browser), and a song's part of it ends with the song.
 */
import type { OutputFile, Status } from '../api/types'
import { fetchKept, type PeaksTable, pieceKey, statusKey, withoutQuery } from './files'

const LIMIT_BYTES = 500e6 // about nine songs of four minutes with two stems
const PREFIX = 'unbraid-songs'

interface Record {
  status: Status
  /** Bytes of its files so far. */
  bytes: number
  /** Whether all files are there. Others are left over from pages that were closed meanwhile, and make room like all. */
  complete: boolean
  /** When it was kept, in milliseconds since 1970. */
  at: number
}

/** The name of an owner's storage. Pages in several folders of one host share all storages. */
export function storageName(page: string, owner: string | null): string {
  return `${PREFIX} ${page} ${owner ?? ''}`
}

export class KeptSongs {
  private keeping = Promise.resolve()
  private aborts = new Map<string, AbortController>()

  /** `cache` is null where browsers have no storage: on a page without HTTPS, or in some private windows. */
  constructor(private readonly cache: Cache | null) {}

  static async open(page: string, owner: string | null): Promise<KeptSongs> {
    try {
      return new KeptSongs(await caches.open(storageName(page, owner)))
    } catch {
      return new KeptSongs(null)
    }
  }

  /** A file of a song: the kept one, or else from the server. */
  readonly fetch = (url: string, init: RequestInit = {}): Promise<Response> => fetchKept(this.cache, url, init)

  /** The kept songs as they were, with links that may have expired. */
  async statuses(): Promise<Status[]> {
    return (await this.records()).filter((record) => record.complete).map((record) => record.status)
  }

  /** Keep a song. One is fetched at a time; songs that were kept longest ago make room. */
  keep(status: Status): Promise<void> {
    const keep = async () => {
      const abort = new AbortController()
      this.aborts.set(status.session_id, abort)
      try {
        await this.fetchSong(status, abort.signal)
      } catch {
        await this.remove(status) // no connection, or no room: it is fetched with the next visit
      } finally {
        this.aborts.delete(status.session_id)
      }
    }
    this.keeping = this.keeping.then(keep)
    return this.keeping
  }

  /** Remove all songs that are not in the list any more. */
  async removeOthers(ids: ReadonlySet<string>): Promise<void> {
    for (const [id, abort] of this.aborts) if (!ids.has(id)) abort.abort()
    for (const { status } of await this.records()) if (!ids.has(status.session_id)) await this.remove(status)
  }

  private async fetchSong(status: Status, signal: AbortSignal): Promise<void> {
    const { cache } = this
    const files = playable(status)
    const kept = (await this.records()).find((record) => record.status.session_id === status.session_id)
    if (cache === null || (kept?.complete === true && sameFiles(playable(kept.status), files))) return
    if (kept !== undefined) await this.remove(kept.status) // such as parts that were deleted
    const record: Record = { status, bytes: 0, complete: false, at: Date.now() }
    const save = (changes: Partial<Record>) =>
      cache.put(statusKey(status.session_id), Response.json(Object.assign(record, changes)))
    for (const file of files) {
      const peaks = await fetch(file.peaks_url ?? '', { signal })
      if (!peaks.ok) throw new Error(`peaks: status ${peaks.status}`)
      const table = (await peaks.clone().json()) as PeaksTable
      const bytes = record.bytes + (table.play.offsets.at(-1) ?? 0)
      await this.makeRoom(status.session_id, bytes)
      await save({ bytes }) // first, so that its files are found and removed whatever happens
      await cache.put(withoutQuery(file.peaks_url ?? ''), peaks)
      await keepPieces(cache, file.play_url ?? '', table.play.offsets, signal)
    }
    await save({ complete: true })
  }

  private async makeRoom(id: string, bytes: number): Promise<void> {
    if (bytes > LIMIT_BYTES) throw new Error('too large')
    const others = (await this.records()).filter((record) => record.status.session_id !== id)
    let total = bytes + others.reduce((sum, record) => sum + record.bytes, 0)
    for (const record of others.sort((a, b) => a.at - b.at)) {
      if (total <= LIMIT_BYTES) return
      await this.remove(record.status)
      total -= record.bytes
    }
  }

  /** Remove a song, complete or not. Files of parts have the id of another session in their addresses. */
  private async remove(status: Status): Promise<void> {
    const { cache } = this
    if (cache === null) return
    const urls = playable(status).flatMap((file) => [file.peaks_url ?? '', file.play_url ?? '']).map(withoutQuery)
    const own = new Set([...urls, statusKey(status.session_id)])
    const requests = (await cache.keys()).filter((request) => own.has(withoutQuery(request.url)))
    await Promise.all(requests.map((request) => cache.delete(request)))
  }

  private async records(): Promise<Record[]> {
    const { cache } = this
    if (cache === null) return []
    const requests = (await cache.keys()).filter((request) => request.url.startsWith(statusKey('')))
    const responses = await Promise.all(requests.map((request) => cache.match(request)))
    return Promise.all(responses.flatMap((response) => (response === undefined ? [] : [response.json() as Promise<Record>])))
  }
}

/** Forget all songs of an owner, who signs out. */
export async function forgetSongs(page: string, owner: string | null): Promise<void> {
  await caches.delete(storageName(page, owner)).catch(() => undefined)
}

function playable(status: Status): OutputFile[] {
  return (status.output_files ?? []).filter((file) => file.peaks_url != null && file.play_url != null)
}

function sameFiles(a: readonly OutputFile[], b: readonly OutputFile[]): boolean {
  const key = (files: readonly OutputFile[]) => files.map((file) => withoutQuery(file.play_url ?? '')).sort().join('\n')
  return key(a) === key(b)
}

/**
 * Fetch a file once, and keep it in the pieces in which the player asks for it. The browser has its bytes outside of the
 * page: what the page reads itself, six stems of five minutes, stays in its memory until garbage is collected.
 */
async function keepPieces(cache: Cache, url: string, offsets: readonly number[], signal: AbortSignal): Promise<void> {
  const response = await fetch(url, { signal, priority: 'low' })
  if (response.status !== 200) throw new Error(`stem: status ${response.status}`)
  const file = await response.blob()
  if (file.size < (offsets.at(-1) ?? 0)) throw new Error('the stem ends early')
  for (const [index, start] of offsets.entries()) {
    const piece = file.slice(start, offsets[index + 1]) // behind the last chunk is the fine waveform
    await cache.put(pieceKey(url, start), new Response(piece))
  }
}
