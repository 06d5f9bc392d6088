/** Ids and names of the songs, in this browser's storage; tabs hear of each other's changes through it. */
import type { Kept, Song } from './song'

export class Storage {
  constructor(private readonly name: string) {}

  read(): Kept[] {
    try {
      const kept: unknown = JSON.parse(localStorage.getItem(this.name) ?? '[]')
      return Array.isArray(kept) ? kept.filter(isKept) : []
    } catch {
      return []
    }
  }

  /** Takes a song up, or its changes. Reads afresh: another tab may have written meanwhile. */
  keep(songs: readonly Song[]): void {
    const kept = new Map(this.read().map((song) => [song.key, song]))
    for (const { key, id, inputKey, name, addedAt, choices, sent } of songs) {
      if (id === null) continue
      kept.set(key, { key, id, inputKey, name, addedAt, ...(choices && { choices }), ...(sent && { sent }) })
    }
    this.write([...kept.values()])
  }

  forget(keys: readonly string[]): void {
    this.write(this.read().filter((song) => !keys.includes(song.key)))
  }

  private write(songs: Kept[]): void {
    const text = JSON.stringify(songs)
    if (text !== localStorage.getItem(this.name)) localStorage.setItem(this.name, text)
  }

  /** Calls back when another tab has changed the list. */
  onChange(changed: () => void): void {
    window.addEventListener('storage', (event) => {
      if (event.key === this.name) changed()
    })
  }
}

function isKept(value: unknown): value is Kept {
  const song = value as Partial<Kept> | null
  return typeof song?.key === 'string' && typeof song.id === 'string' && typeof song.name === 'string'
}

/** The list as another tab has left it: its new songs come in, those that it took out go. */
export function fromOtherTab(songs: readonly Song[], kept: readonly Kept[]): Song[] {
  const known = new Set(songs.map((song) => song.key))
  const stays = new Map(kept.map((song) => [song.key, song]))
  const left = songs
    .filter((song) => song.id === null || song.upload !== undefined || stays.has(song.key))
    .map((song) => {
      const told = stays.get(song.key)
      return told === undefined || song.upload !== undefined ? song : { ...song, ...told }
    })
  const added = kept.filter((song) => !known.has(song.key)).map((song) => ({ ...song, status: null }))
  return [...added, ...left].sort((a, b) => b.addedAt - a.addedAt)
}
