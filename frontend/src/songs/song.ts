/** One song in the list: what this browser remembers, what the server last said, and what follows from both. */
import type { Choices, Status } from '../api/types'

/** What outlives a refresh, in this browser's storage. */
export interface Kept {
  /** This browser's own name for it, there before the server has given an id. */
  key: string
  id: string
  inputKey: string
  name: string
  addedAt: number
  choices?: Choices
  /** An upload as it was a moment ago, for other tabs to show. `at`: milliseconds since 1970. */
  sent?: { fraction: number; at: number }
}

export interface Song extends Omit<Kept, 'id'> {
  /** null: not told to the server yet. */
  id: string | null
  status: Status | null
  /** The upload of this tab. */
  upload?: Upload
}

export interface Upload {
  file: File
  state: 'waiting' | 'sending' | 'failed'
  /** 0 to 1. */
  fraction: number
  secondsLeft: number | null
  /** Why it failed, in words. */
  problem?: string
}

export type Phase =
  | 'waiting' // for its turn to be uploaded
  | 'uploading'
  | 'uploading elsewhere' // in another tab
  | 'upload failed'
  | 'interrupted' // a refresh or a crash lost the file in mid-upload
  | 'loading' // the server has not been asked yet
  | 'queued'
  | 'working'
  | 'done'
  | 'failed'
  | 'cancelled'
  | 'gone' // expired, or deleted elsewhere

const STALE_MS = 8000 // other tabs tell of their upload every second

const PHASES: Record<Status['status'], Phase> = {
  AWAITING_UPLOAD: 'interrupted',
  PENDING: 'queued',
  IN_PROGRESS: 'working',
  COMPLETED: 'done',
  FAILED: 'failed',
  CANCELLED: 'cancelled',
  UNKNOWN: 'gone',
}

export function phaseOf(song: Song, now: number): Phase {
  if (song.upload !== undefined) {
    return ({ waiting: 'waiting', sending: 'uploading', failed: 'upload failed' } as const)[song.upload.state]
  }
  if (song.status === null) return 'loading'
  const phase = PHASES[song.status.status]
  const elsewhere = phase === 'interrupted' && song.sent !== undefined && now - song.sent.at < STALE_MS
  return elsewhere ? 'uploading elsewhere' : phase
}

/** Whether the server may have news of it. */
export function isWatched(song: Song): boolean {
  return (
    song.id !== null && song.upload === undefined &&
    ['AWAITING_UPLOAD', 'PENDING', 'IN_PROGRESS'].includes(song.status?.status ?? '')
  )
}

/** A song that the server knows and this browser has not seen, or has forgotten. */
export function fromStatus(status: Status, now: number): Song {
  return {
    key: status.session_id,
    id: status.session_id,
    inputKey: '',
    name: status.file_name ?? 'A song',
    addedAt: (status.created_at ?? now / 1000) * 1000,
    status,
  }
}

/** The server's news laid over the list; news of songs that are not in it are added where `add` says so. */
export function withStatuses(songs: readonly Song[], news: readonly Status[], add: boolean, now: number): Song[] {
  const byId = new Map(news.map((status) => [status.session_id, status]))
  const known = songs.map((song) => {
    const status = song.id === null ? undefined : byId.get(song.id)
    if (status === undefined) return song
    byId.delete(status.session_id)
    return { ...song, name: status.file_name ?? song.name, status }
  })
  if (!add) return known
  const others = [...byId.values()].filter((status) => status.status !== 'UNKNOWN')
  return newestFirst([...known, ...others.map((status) => fromStatus(status, now))])
}

export function newestFirst(songs: readonly Song[]): Song[] {
  return [...songs].sort((a, b) => b.addedAt - a.addedAt)
}

const FILM = /\.(mp4|m4v|mkv|mov|webm|avi|mpe?g|wmv|flv|3gp|ts|m2ts|ogv)$/i

/** Whether a file has pictures, as far as its type or name tells. */
export function isFilm(file: { name: string; type: string }): boolean {
  return file.type.startsWith('video/') || FILM.test(file.name)
}
