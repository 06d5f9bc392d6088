/** The list of songs: holds it, changes it, and notifies the page. */
import type { Client } from '../api/client'
import { errorMessage } from '../api/problem'
import type { Choices, Part, Status } from '../api/types'
import { StatusWatcher } from '../api/watcher'
import { choicesFor, readChoices } from './choices'
import { NO_ESTIMATE } from './estimate'
import { identityOf, isSameFile } from './parts'
import { isWatched, newestFirst, phaseOf, type Song, withStatuses } from './song'
import { activeSplitIds, SplitEstimates, withSplitStatuses } from './splits'
import { mergeStored, SongStorage } from './storage'
import { type UploadEvents, Uploads } from './uploads'

const SAVE_PROGRESS_MS = 1000
const REFRESH_LINKS_MS = 45 * 60 * 1000 // links expire after an hour

export class SongList {
  private songs: Song[] = []
  private listeners = new Set<() => void>()
  private cancelUpload = new Map<string, () => void>()
  private progressSavedAt = new Map<string, number>()
  readonly splitEstimates = new SplitEstimates()
  private readonly watcher: StatusWatcher
  private readonly uploads: Uploads
  private readonly storage: SongStorage

  constructor(
    readonly client: Client,
    subject: string | null,
  ) {
    this.storage = new SongStorage(subject === null ? 'unbraid.songs' : `unbraid.songs.${subject}`)
    this.uploads = new Uploads(client)
    this.watcher = new StatusWatcher(client, (statuses) => this.update(statuses, false))
    this.songs = newestFirst(this.storage.read().map((song) => ({ ...song, status: null })))
    this.storage.onChange(() => {
      this.set(mergeStored(this.songs, this.storage.read()))
      void this.fetchMissingStatuses()
    })
    setInterval(() => void this.refreshLinks(), REFRESH_LINKS_MS)
    // Leaving the page loses files that are not uploaded yet: ask the user first, and let other tabs know.
    window.addEventListener('beforeunload', (event) => {
      if (this.uploading().length > 0) event.preventDefault()
    })
    window.addEventListener('pagehide', () => {
      const stopped = this.uploading().map((song) => ({ ...song, sent: { fraction: song.upload?.fraction ?? 0, at: 0 } }))
      this.storage.save(stopped)
    })
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  readonly snapshot = (): readonly Song[] => this.songs

  /** Fetch the statuses of all known songs, and the user's other songs from the server's history. */
  async load(): Promise<void> {
    this.update(await this.client.history(), true)
    await this.fetchMissingStatuses()
    await this.processUploaded()
  }

  /** Show songs as they were at the last visit, until the server answers. */
  restore(statuses: readonly Status[]): void {
    const missing = new Set(this.songs.flatMap((song) => (song.status === null ? [song.id] : [])))
    this.update(statuses.filter((status) => missing.has(status.session_id)), false)
  }

  /** Add the song of a shared link or an e-mail. False if it doesn't exist. */
  async open(id: string): Promise<boolean> {
    if (this.songs.some((song) => song.id === id && song.status !== null)) return true
    const status = await this.client.status(id)
    this.update([status], true)
    return status.status !== 'UNKNOWN'
  }

  /** Show a song as the server has just described it. */
  show(status: Status): void {
    this.update([status], true)
  }

  add(files: readonly File[], choices: Choices): void {
    const now = Date.now()
    const added = files.filter((file) => !this.resume(file, choices))
    const songs = added.map((file, index): Song => ({
      key: crypto.randomUUID(),
      id: null,
      inputKey: '',
      name: file.name,
      addedAt: now - index, // the first of several stays on top
      droppedAt: (now + index) / 1000,
      choices: choicesFor(file, choices),
      status: null,
      upload: { file, state: 'waiting', fraction: 0, estimate: NO_ESTIMATE },
      original: { file, now: added.length === 1 },
    }))
    this.set([...songs, ...this.songs])
    for (const song of songs) this.startUpload(song)
  }

  /** Repeat a failed upload, or the separation. */
  async retry(key: string): Promise<void> {
    const song = this.find(key)
    if (song?.upload !== undefined) {
      this.change(key, { upload: { ...song.upload, state: 'waiting', fraction: 0 } })
      this.startUpload(song)
    } else if (song?.id != null) {
      await this.client.retry(song.id)
      this.update([await this.client.status(song.id)], false)
    }
  }

  /**
   * Upload the file of an interrupted upload, which the user has chosen again. An upload in parts continues where it
   * stopped.
   */
  async uploadAgain(key: string, file: File, choices?: Choices): Promise<void> {
    const song = this.find(key)
    if (song === undefined) return
    const upload = { file, state: 'waiting', fraction: song.sent?.fraction ?? 0, estimate: NO_ESTIMATE } as const
    const change = { status: null, choices: choices ?? song.choices ?? readChoices(), upload }
    if (song.parts !== undefined && isSameFile(song.parts, file)) {
      this.change(key, change)
      this.restartUpload(key)
      return
    }
    this.storage.remove([key])
    const { id, addedAt } = song
    const restart = { ...change, upload: { ...upload, fraction: 0 } }
    const fresh: Song = { key, id: null, inputKey: '', name: file.name, addedAt, ...restart }
    this.set(this.songs.map((other) => (other.key === key ? fresh : other)))
    this.restartUpload(key)
    if (id !== null) await this.client.cleanup(id)
  }

  /** Continue the interrupted upload of this file, if there is one. */
  private resume(file: File, choices: Choices): boolean {
    const interrupted = this.songs.find(
      (song) =>
        song.parts !== undefined && isSameFile(song.parts, file) && phaseOf(song, Date.now()) === 'interrupted',
    )
    if (interrupted !== undefined) void this.uploadAgain(interrupted.key, file, choicesFor(file, choices))
    return interrupted !== undefined
  }

  private restartUpload(key: string): void {
    const song = this.find(key)
    if (song !== undefined) this.startUpload(song)
  }

  async cancel(key: string): Promise<void> {
    const song = this.find(key)
    if (song?.upload !== undefined) await this.remove(key)
    else if (song?.id != null) this.update([await this.client.cancel(song.id)], false)
  }

  /** Delete a song here and on the server, with all its files. */
  async remove(key: string): Promise<void> {
    const song = this.find(key)
    if (song === undefined) return
    this.cancelUpload.get(key)?.()
    this.cancelUpload.delete(key)
    if (song.id !== null) await this.client.cleanup(song.id)
    this.storage.remove([key])
    this.set(this.songs.filter((other) => other.key !== key))
  }

  /** Separate a stem of a song further. */
  async split(id: string, stem: string, model: string, part?: Part): Promise<void> {
    await this.client.split(id, stem, model, part)
    await this.refresh(id)
  }

  async cancelSplit(id: string, splitId: string): Promise<void> {
    await this.client.cancel(splitId)
    await this.refresh(id)
  }

  /** Delete the parts of a stem, so that it is whole again. */
  async removeParts(id: string, splitId: string): Promise<void> {
    await this.client.cleanup(splitId)
    await this.refresh(id)
  }

  /** Fetch a session's status with new links. */
  async refresh(id: string): Promise<Status> {
    const status = await this.client.status(id)
    this.update([status], false)
    return status
  }

  private startUpload(song: Song): void {
    if (song.upload === undefined || song.choices === undefined) return
    const { key, id, inputKey, parts, choices } = song
    const { file } = song.upload
    const session = id !== null && parts !== undefined ? { id, key: inputKey, url: null } : null
    const events: UploadEvents = {
      onStart: (session) => {
        this.change(key, { id: session.id, inputKey: session.key, ...(session.url === null && { parts: identityOf(file) }) })
        this.save(key)
      },
      onProgress: (progress) => {
        const upload = this.find(key)?.upload
        if (upload === undefined) return
        this.change(key, { upload: { ...upload, ...progress } })
        if (Date.now() - (this.progressSavedAt.get(key) ?? 0) >= SAVE_PROGRESS_MS) this.save(key)
      },
      onDone: () => {
        this.cancelUpload.delete(key)
        const { id, inputKey, name, addedAt, choices, original } = this.find(key) ?? song
        const status: Status = { session_id: id ?? '', status: 'PENDING' }
        const uploaded: Song = { key, id, inputKey, name, addedAt, status, ...(choices && { choices }), ...(original && { original }) }
        this.set(this.songs.map((other) => (other.key === key ? uploaded : other)))
        this.save(key)
      },
    }
    this.cancelUpload.set(key, this.uploads.add(file, choices, events, session, song.droppedAt))
  }

  /** Save a song with its upload progress, for other tabs. */
  private save(key: string): void {
    const song = this.find(key)
    if (song === undefined) return
    this.progressSavedAt.set(key, Date.now())
    const sent = song.upload && { fraction: song.upload.fraction, at: Date.now() }
    this.storage.save([sent === undefined ? song : { ...song, sent }])
  }

  private async fetchMissingStatuses(): Promise<void> {
    const ids = this.songs.flatMap((song) => (song.id !== null && song.status === null && !song.upload ? [song.id] : []))
    if (ids.length > 0) this.update(await this.client.statuses(ids), false)
  }

  /** Start the separation of songs whose page was reloaded between the end of the upload and the request for it. */
  private async processUploaded(): Promise<void> {
    for (const song of this.songs) {
      if (song.id === null || song.upload !== undefined || song.status?.status !== 'AWAITING_UPLOAD') continue
      if (song.inputKey === '' || (song.sent !== undefined && Date.now() - song.sent.at < SAVE_PROGRESS_MS * 3)) continue
      try {
        if (song.parts !== undefined) await this.client.completeUpload(song.id)
        await this.client.process(song.id, song.inputKey, song.choices)
        this.update([await this.client.status(song.id)], false)
      } catch {
        // The upload is incomplete: the song is shown as interrupted.
      }
    }
  }

  private async refreshLinks(): Promise<void> {
    const ids = this.songs.flatMap((song) => (song.status?.status === 'COMPLETED' ? [song.status.session_id] : []))
    try {
      if (ids.length > 0) this.update(await this.client.statuses(ids), false)
    } catch (error) {
      console.warn(errorMessage(error)) // an expired link is also refreshed when it is used
    }
  }

  /** Apply statuses from the server. `add`: also add songs that are not in the list yet. */
  private update(statuses: readonly Status[], add: boolean): void {
    const split = withSplitStatuses(this.songs, statuses)
    for (const id of split.ended) void this.refresh(id).catch((error: unknown) => console.warn(errorMessage(error)))
    const songs = withStatuses(split.songs, statuses, add, Date.now())
    const gone = songs.filter((song) => song.upload === undefined && song.status?.status === 'UNKNOWN')
    const kept = songs.filter((song) => !gone.includes(song))
    this.storage.remove(gone.map((song) => song.key))
    this.storage.save(kept.filter((song) => !this.storage.read().some((stored) => stored.key === song.key)))
    this.set(kept)
  }

  private uploading(): Song[] {
    return this.songs.filter((song) => song.upload !== undefined && song.upload.state !== 'failed')
  }

  private find(key: string): Song | undefined {
    return this.songs.find((song) => song.key === key)
  }

  private change(key: string, changes: Partial<Song>): void {
    this.set(this.songs.map((song) => (song.key === key ? { ...song, ...changes } : song)))
  }

  private set(songs: Song[]): void {
    this.songs = songs
    this.splitEstimates.update(songs)
    const watched = songs.filter(isWatched).sort((a, b) => a.addedAt - b.addedAt)
    const ids = watched.flatMap((song) => (song.id === null ? [] : [song.id]))
    this.watcher.watch([...ids, ...activeSplitIds(songs)])
    for (const listener of this.listeners) listener()
  }
}
