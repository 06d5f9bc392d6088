/** The list of songs: one place that holds it, changes it, and tells the page. */
import type { Client } from '../api/client'
import { Live } from '../api/live'
import { inWords } from '../api/problem'
import type { Choices, Status } from '../api/types'
import { readChoices } from './choices'
import { isFilm, isWatched, newestFirst, type Song, withStatuses } from './song'
import { fromOtherTab, Storage } from './storage'
import { Uploads } from './uploads'

const TELL_TABS_MS = 1000
/** Links run out after an hour. */
const LINKS_ANEW_MS = 45 * 60 * 1000

export class SongList {
  private songs: Song[] = []
  private listeners = new Set<() => void>()
  private stops = new Map<string, () => void>()
  private told = new Map<string, number>()
  private readonly live: Live
  private readonly uploads: Uploads
  private readonly storage: Storage

  constructor(
    readonly client: Client,
    subject: string | null,
  ) {
    this.storage = new Storage(subject === null ? 'unbraid.songs' : `unbraid.songs.${subject}`)
    this.uploads = new Uploads(client)
    this.live = new Live(client, (news) => this.hear(news, false))
    this.songs = newestFirst(this.storage.read().map((song) => ({ ...song, status: null })))
    this.storage.onChange(() => {
      this.set(fromOtherTab(this.songs, this.storage.read()))
      void this.askForUnknown()
    })
    setInterval(() => void this.refreshLinks(), LINKS_ANEW_MS)
    // Files that are not sent yet are lost with the page: ask before, and tell other tabs after.
    window.addEventListener('beforeunload', (event) => {
      if (this.uploading().length > 0) event.preventDefault()
    })
    window.addEventListener('pagehide', () => this.storage.keep(this.uploading()))
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  readonly snapshot = (): readonly Song[] => this.songs

  /** The server's view of all that is known here, and what else it has of ours. */
  async load(): Promise<void> {
    this.hear(await this.client.history(), true)
    await this.askForUnknown()
    await this.startForgotten()
  }

  /** A session that somebody else's link, or an e-mail, points to. False: there is none. */
  async open(id: string): Promise<boolean> {
    if (this.songs.some((song) => song.id === id && song.status !== null)) return true
    const status = await this.client.status(id)
    this.hear([status], true)
    return status.status !== 'UNKNOWN'
  }

  add(files: readonly File[], choices: Choices): void {
    const now = Date.now()
    const songs = files.map((file, place): Song => {
      const own = { ...choices, video: choices.video && isFilm(file) }
      // the first of several stays the topmost
      const song = { key: crypto.randomUUID(), id: null, inputKey: '', name: file.name, addedAt: now - place }
      return { ...song, choices: own, status: null, upload: { file, state: 'waiting', fraction: 0, secondsLeft: null } }
    })
    this.set([...songs, ...this.songs])
    for (const song of songs) this.send(song)
  }

  /** Another try: of the upload, or of the work. */
  async retry(key: string): Promise<void> {
    const song = this.find(key)
    if (song?.upload !== undefined) {
      this.change(key, { upload: { ...song.upload, state: 'waiting', fraction: 0 } })
      this.send(song)
    } else if (song?.id != null) {
      await this.client.again(song.id)
      this.hear([await this.client.status(song.id)], false)
    }
  }

  /** The lost file of an interrupted upload, picked once more. */
  async bringAgain(key: string, file: File): Promise<void> {
    const song = this.find(key)
    if (song === undefined) return
    const id = song.id
    this.storage.forget([key])
    const upload = { file, state: 'waiting', fraction: 0, secondsLeft: null } as const
    this.change(key, { id: null, name: file.name, status: null, choices: song.choices ?? readChoices(), upload })
    const again = this.find(key)
    if (again !== undefined) this.send(again)
    if (id !== null) await this.client.cleanup(id)
  }

  async cancel(key: string): Promise<void> {
    const song = this.find(key)
    if (song?.upload !== undefined) await this.remove(key)
    else if (song?.id != null) this.hear([await this.client.cancel(song.id)], false)
  }

  /** Deletes it here and on the server, files and all. */
  async remove(key: string): Promise<void> {
    const song = this.find(key)
    if (song === undefined) return
    this.stops.get(key)?.()
    this.stops.delete(key)
    if (song.id !== null) await this.client.cleanup(song.id)
    this.storage.forget([key])
    this.set(this.songs.filter((other) => other.key !== key))
  }

  /** New links for a session's files. */
  async refresh(id: string): Promise<Status> {
    const status = await this.client.status(id)
    this.hear([status], false)
    return status
  }

  private send(song: Song): void {
    if (song.upload === undefined || song.choices === undefined) return
    const key = song.key
    const stop = this.uploads.add(song.upload.file, song.choices, {
      begun: (id, inputKey) => {
        this.change(key, { id, inputKey })
        this.tellTabs(key, true)
      },
      progress: (progress) => {
        const upload = this.find(key)?.upload
        if (upload === undefined) return
        this.change(key, { upload: { ...upload, ...progress } })
        this.tellTabs(key, false)
      },
      done: () => {
        this.stops.delete(key)
        const { id, inputKey, name, addedAt, choices: own } = this.find(key) ?? song
        const status: Status = { session_id: id ?? '', status: 'PENDING' }
        const sent: Song = { key, id, inputKey, name, addedAt, status, ...(own && { choices: own }) }
        this.set(this.songs.map((other) => (other.key === key ? sent : other)))
        this.tellTabs(key, true)
      },
    })
    this.stops.set(key, stop)
  }

  private tellTabs(key: string, now: boolean): void {
    const song = this.find(key)
    const last = this.told.get(key) ?? 0
    if (song === undefined || (!now && Date.now() - last < TELL_TABS_MS)) return
    this.told.set(key, Date.now())
    const sent = song.upload && { fraction: song.upload.fraction, at: Date.now() }
    this.storage.keep([sent === undefined ? song : { ...song, sent }])
  }

  private async askForUnknown(): Promise<void> {
    const ids = this.songs.flatMap((song) => (song.id !== null && song.status === null && !song.upload ? [song.id] : []))
    if (ids.length > 0) this.hear(await this.client.statuses(ids), false)
  }

  /** A refresh may have come between the end of an upload and asking for the work. */
  private async startForgotten(): Promise<void> {
    for (const song of this.songs) {
      if (song.id === null || song.upload !== undefined || song.status?.status !== 'AWAITING_UPLOAD') continue
      if (song.inputKey === '' || (song.sent !== undefined && Date.now() - song.sent.at < TELL_TABS_MS * 3)) continue
      try {
        await this.client.process(song.id, song.inputKey, song.choices)
        this.hear([await this.client.status(song.id)], false)
      } catch {
        // not all of it is there: the card says so
      }
    }
  }

  private async refreshLinks(): Promise<void> {
    const ids = this.songs.flatMap((song) => (song.status?.status === 'COMPLETED' ? [song.status.session_id] : []))
    try {
      if (ids.length > 0) this.hear(await this.client.statuses(ids), false)
    } catch (error) {
      console.warn(inWords(error)) // they are asked for again when one is used
    }
  }

  private hear(news: readonly Status[], add: boolean): void {
    const songs = withStatuses(this.songs, news, add, Date.now())
    const gone = songs.filter((song) => song.upload === undefined && song.status?.status === 'UNKNOWN')
    const stay = songs.filter((song) => !gone.includes(song))
    this.storage.forget(gone.map((song) => song.key))
    this.storage.keep(stay.filter((song) => !this.storage.read().some((kept) => kept.key === song.key)))
    this.set(stay)
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
    const watched = songs.filter(isWatched).sort((a, b) => a.addedAt - b.addedAt)
    this.live.watch(watched.flatMap((song) => (song.id === null ? [] : [song.id])))
    for (const listener of this.listeners) listener()
  }
}
