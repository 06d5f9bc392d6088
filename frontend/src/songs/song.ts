/** One song of the list, and the phase that follows from this browser's and the server's knowledge of it. */
import type { Choices, Status } from '../api/types'
import { type Estimate, estimateOf, NO_ESTIMATE } from './estimate'
import type { FileIdentity } from './parts'

/** The part of a song that is kept in this browser's storage. */
export interface StoredSong {
  /** Identifies the song in this browser, also before the server has given it an id. */
  key: string
  id: string
  inputKey: string
  name: string
  addedAt: number
  choices?: Choices
  /** The file of an upload in parts, which continues when the user chooses the file again. */
  parts?: FileIdentity
  /** Progress of an upload, for other tabs. `at`: milliseconds since 1970. */
  sent?: { fraction: number; at: number }
}

export interface Song extends Omit<StoredSong, 'id'> {
  /** Session id; null before the upload starts. */
  id: string | null
  status: Status | null
  /** The time left to show. */
  estimate?: Estimate
  /** When the file was chosen in this tab, in seconds since 1970: songs are separated in this order. */
  droppedAt?: number
  /** An upload in this tab. */
  upload?: Upload
  /** The file, if it was chosen in this tab; `now`: play it at once. */
  original?: { file: File; now: boolean }
}

export interface Upload {
  file: File
  state: 'waiting' | 'sending' | 'failed'
  /** 0 to 1. */
  fraction: number
  estimate: Estimate
  /** Why it failed, for the user. */
  problem?: string
  /** Whether trying again can help. */
  canRetry?: boolean
}

export type Phase =
  | 'waiting' // to be uploaded
  | 'uploading'
  | 'uploading elsewhere' // in another tab
  | 'upload failed'
  | 'interrupted' // a reload or crash during the upload: the page has lost the file
  | 'loading' // no status from the server yet
  | 'queued'
  | 'working'
  | 'done'
  | 'failed'
  | 'cancelled'
  | 'gone' // expired, or deleted elsewhere

const STALE_MS = 8000 // a tab that uploads saves its progress every second

const UPLOAD_PHASES: Record<Upload['state'], Phase> = {
  waiting: 'waiting',
  sending: 'uploading',
  failed: 'upload failed',
}

const PHASES: Record<Status['status'], Phase> = {
  AWAITING_UPLOAD: 'interrupted',
  PENDING: 'queued',
  IN_PROGRESS: 'working',
  COMPLETED: 'done',
  FAILED: 'failed',
  CANCELLED: 'cancelled',
  UNKNOWN: 'gone',
}

/** `now`: milliseconds since 1970. */
export function phaseOf(song: Song, now: number): Phase {
  if (song.upload !== undefined) return UPLOAD_PHASES[song.upload.state]
  if (song.status === null) return 'loading'
  const phase = PHASES[song.status.status]
  const elsewhere = phase === 'interrupted' && song.sent !== undefined && now - song.sent.at < STALE_MS
  return elsewhere ? 'uploading elsewhere' : phase
}

/** Whether the song's status may change on the server. */
export function isWatched(song: Song): boolean {
  return (
    song.id !== null && song.upload === undefined &&
    ['AWAITING_UPLOAD', 'PENDING', 'IN_PROGRESS'].includes(song.status?.status ?? '')
  )
}

/** A song that only the server knows. */
function fromStatus(status: Status, now: number): Song {
  return {
    key: status.session_id,
    id: status.session_id,
    inputKey: '',
    name: status.file_name ?? 'A song',
    addedAt: (status.created_at ?? now / 1000) * 1000,
    status,
    estimate: estimateOf(NO_ESTIMATE, null, status),
  }
}

/** The list with new statuses. `add`: also add songs that are not in the list yet. */
export function withStatuses(songs: readonly Song[], statuses: readonly Status[], add: boolean, now: number): Song[] {
  const byId = new Map(statuses.map((status) => [status.session_id, status]))
  const updated = songs.map((song) => {
    const status = song.id === null ? undefined : byId.get(song.id)
    if (status === undefined) return song
    byId.delete(status.session_id)
    const estimate = estimateOf(song.estimate ?? NO_ESTIMATE, song.status, status)
    return { ...song, name: status.file_name ?? song.name, status, estimate }
  })
  if (!add) return updated
  const others = [...byId.values()].filter((status) => status.status !== 'UNKNOWN')
  return newestFirst([...updated, ...others.map((status) => fromStatus(status, now))])
}

/** Whether starting the song again, or its upload, can help. */
export function canRetry({ upload, status }: Song): boolean {
  return upload === undefined ? status?.can_retry !== false : upload.canRetry !== false
}

export function newestFirst(songs: readonly Song[]): Song[] {
  return [...songs].sort((a, b) => b.addedAt - a.addedAt)
}

const VIDEO_EXTENSION = /\.(mp4|m4v|mkv|mov|webm|avi|mpe?g|wmv|flv|3gp|ts|m2ts|ogv)$/i

/** Whether a file is a video, judging by its media type and name. */
export function isVideo(file: { name: string; type: string }): boolean {
  return file.type.startsWith('video/') || VIDEO_EXTENSION.test(file.name)
}
