/** Which songs the list shows, and in which order. */
import { songTitle } from '../lib/format'
import { phaseOf, type Song } from './song'

export type Order = 'newest' | 'name' | 'length' | 'tempo'

/** In the order of the menu, with their names there. */
export const ORDERS: Record<Order, string> = { newest: 'Newest first', name: 'Name', length: 'Longest first', tempo: 'Slowest first' }

export interface View {
  search: string
  order: Order
}

const STORAGE_KEY = 'unbraid.order'

/** The order that was chosen last in this browser. */
export function readOrder(): Order {
  const stored = localStorage.getItem(STORAGE_KEY) ?? ''
  return stored in ORDERS ? (stored as Order) : 'newest'
}

export function saveOrder(order: Order): void {
  localStorage.setItem(STORAGE_KEY, order)
}

/** The songs with all words of the search in their name, key or tempo, in the order of the view. `songs`: newest first. */
export function viewed(songs: readonly Song[], { search, order }: View): readonly Song[] {
  const words = plain(search).split(/\s+/).filter((word) => word !== '')
  const found = words.length === 0 ? songs : songs.filter((song) => words.every((word) => text(song).includes(word)))
  if (order === 'newest') return found
  return [...found].sort((a, b) => compare[order](a, b) || b.addedAt - a.addedAt)
}

const compare: Record<Exclude<Order, 'newest'>, (a: Song, b: Song) => number> = {
  name: (a, b) => songTitle(a.name).localeCompare(songTitle(b.name), undefined, { numeric: true, sensitivity: 'base' }),
  length: (a, b) => (b.status?.duration ?? -1) - (a.status?.duration ?? -1),
  tempo: (a, b) => (a.status?.bpm ?? Infinity) - (b.status?.bpm ?? Infinity) || 0,
}

function text({ name, status }: Song): string {
  return plain([songTitle(name), status?.key ?? '', status?.bpm == null ? '' : `${status.bpm} bpm`].join(' '))
}

/** Without case and accents: “Für Elise” is found by “fur”. */
function plain(words: string): string {
  return words.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase()
}

/** Whether the songs are enough to need a search. */
export function needsTools(songs: readonly Song[]): boolean {
  return songs.filter((song) => phaseOf(song, 0) !== 'loading').length > 3
}
