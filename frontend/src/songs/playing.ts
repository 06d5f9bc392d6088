/** How songs were last played (mix, loop, tempo, key, place), in this browser's storage, for the next time. */
import { AS_RECORDED, KEYS, type Practice, TEMPO_PERCENT } from '../player/output'
import { DEFAULT_CHANNEL, type Mix } from '../player/mixer'
import type { Loop } from '../player/schedule'

const STORAGE_KEY = 'unbraid.playing'
const MOST_SONGS = 100

export interface Playing {
  mix: Mix
  loop: Loop | null
  practice: Practice
  /** Place in the song. */
  seconds: number
}

export const UNPLAYED: Playing = { mix: {}, loop: null, practice: AS_RECORDED, seconds: 0 }

export function readPlaying(id: string): Playing {
  return checked(stored()[id])
}

/** Remember a song. Of more than 100 songs, those that were played longest ago are forgotten. */
export function savePlaying(id: string, playing: Playing): void {
  const others = Object.entries(stored()).filter(([other]) => other !== id)
  const newest = others.slice(-(MOST_SONGS - 1))
  try {
    localStorage.setItem(STORAGE_KEY, JSON.stringify({ ...Object.fromEntries(newest), [id]: playing }))
  } catch {
    // The storage is full or forbidden: the song starts as new next time.
  }
}

function stored(): Record<string, unknown> {
  try {
    const songs: unknown = JSON.parse(localStorage.getItem(STORAGE_KEY) ?? '{}')
    return typeof songs === 'object' && songs !== null ? (songs as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

/** A stored record, with defaults for all that is missing or isn't valid. */
function checked(value: unknown): Playing {
  const { mix, loop, practice, seconds } = record(value)
  const { tempo, key } = record(practice)
  const { from, to } = record(loop)
  const number = (value: unknown, low: number, high: number, or: number) =>
    typeof value === 'number' && value >= low && value <= high ? value : or
  return {
    mix: Object.fromEntries(
      Object.entries(record(mix)).map(([stem, channel]) => {
        const { volume, muted, solo } = record(channel)
        return [stem, { volume: number(volume, 0, 2, DEFAULT_CHANNEL.volume), muted: muted === true, solo: solo === true }]
      }),
    ),
    loop: typeof from === 'number' && typeof to === 'number' && from >= 0 && from < to ? { from, to } : null,
    practice: {
      tempo: number(tempo, TEMPO_PERCENT.min / 100, TEMPO_PERCENT.max / 100, AS_RECORDED.tempo),
      key: Math.round(number(key, KEYS.min, KEYS.max, AS_RECORDED.key)),
    },
    seconds: number(seconds, 0, Number.MAX_VALUE, 0),
  }
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}
