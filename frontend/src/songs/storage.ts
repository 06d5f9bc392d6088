/** Ids and names of the songs in this browser's storage, shared by its tabs. */
import { newestFirst, type Song, type StoredSong } from './song'

export class SongStorage {
  constructor(private readonly key: string) {}

  read(): StoredSong[] {
    try {
      const stored: unknown = JSON.parse(localStorage.getItem(this.key) ?? '[]')
      return Array.isArray(stored) ? stored.filter(isStoredSong) : []
    } catch {
      return []
    }
  }

  /** Add or update songs. Reads the list first, as another tab may have changed it. */
  save(songs: readonly Song[]): void {
    const stored = new Map(this.read().map((song) => [song.key, song]))
    for (const { key, id, inputKey, name, addedAt, choices, parts, sent } of songs) {
      if (id === null) continue
      const optional = { ...(choices && { choices }), ...(parts && { parts }), ...(sent && { sent }) }
      stored.set(key, { key, id, inputKey, name, addedAt, ...optional })
    }
    this.write([...stored.values()])
  }

  remove(keys: readonly string[]): void {
    this.write(this.read().filter((song) => !keys.includes(song.key)))
  }

  private write(songs: StoredSong[]): void {
    const text = JSON.stringify(songs)
    if (text !== localStorage.getItem(this.key)) localStorage.setItem(this.key, text)
  }

  /** Call `listener` when another tab has changed the list. */
  onChange(listener: () => void): void {
    window.addEventListener('storage', (event) => {
      if (event.key === this.key) listener()
    })
  }
}

function isStoredSong(value: unknown): value is StoredSong {
  const song = value as Partial<StoredSong> | null
  return typeof song?.key === 'string' && typeof song.id === 'string' && typeof song.name === 'string'
}

/** This tab's list after another tab has changed the stored one. Songs that this tab uploads stay as they are. */
export function mergeStored(songs: readonly Song[], stored: readonly StoredSong[]): Song[] {
  const byKey = new Map(stored.map((song) => [song.key, song]))
  const kept = songs
    .filter((song) => song.id === null || song.upload !== undefined || byKey.has(song.key))
    .map((song) => (song.upload === undefined ? { ...song, ...byKey.get(song.key) } : song))
  const known = new Set(songs.map((song) => song.key))
  const added = stored.filter((song) => !known.has(song.key)).map((song) => ({ ...song, status: null }))
  return newestFirst([...added, ...kept])
}
