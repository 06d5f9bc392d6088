/** How songs were last played (mix, loops, tempo, key, click, zoom, place), in this browser's storage, for the next time. */
import { AS_RECORDED, KEYS, type Practice, TEMPO_PERCENT } from '../player/output'
import { type Channel, DEFAULT_CHANNEL, DEFAULT_CLICK, type Mix } from '../player/mixer'
import type { Loop } from '../player/schedule'
import { NO_TOOLS, type Tools } from '../player/tools'

const STORAGE_KEY = 'unbraid.playing'
const MOST_SONGS = 100
/** How often the place of a song that plays is saved. */
export const SAVE_EVERY_MS = 1000

export interface Playing {
  mix: Mix
  loop: Loop | null
  practice: Practice
  tools: Tools
  /** Place in the song. */
  seconds: number
}

export const UNPLAYED: Playing = { mix: {}, loop: null, practice: AS_RECORDED, tools: NO_TOOLS, seconds: 0 }

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
  const { mix, loop, practice, tools, seconds } = record(value)
  const { tempo, key } = record(practice)
  return {
    mix: Object.fromEntries(Object.entries(record(mix)).map(([stem, one]) => [stem, channel(one, DEFAULT_CHANNEL)])),
    loop: range(loop),
    practice: {
      tempo: number(tempo, TEMPO_PERCENT.min / 100, TEMPO_PERCENT.max / 100, AS_RECORDED.tempo),
      key: Math.round(number(key, KEYS.min, KEYS.max, AS_RECORDED.key)),
    },
    tools: checkedTools(record(tools)),
    seconds: number(seconds, 0, Number.MAX_VALUE, 0),
  }
}

function checkedTools({ loops, click, countIn, snap, view }: Record<string, unknown>): Tools {
  const ranges = Array.isArray(loops) ? loops.map(range) : []
  return {
    loops: ranges.flatMap((loop) => (loop?.name === undefined ? [] : [{ ...loop, name: loop.name }])),
    click: channel(click, DEFAULT_CLICK),
    countIn: countIn === true,
    snap: snap !== false,
    view: range(view),
  }
}

function channel(value: unknown, defaults: Channel): Channel {
  const { volume, muted, solo, pan } = record(value)
  return {
    volume: number(volume, 0, 2, defaults.volume),
    muted: typeof muted === 'boolean' ? muted : defaults.muted,
    solo: solo === true,
    pan: number(pan, -1, 1, defaults.pan),
  }
}

/** A part of the song, with its name if it has one. */
function range(value: unknown): Loop | null {
  const { from, to, name } = record(value)
  if (typeof from !== 'number' || typeof to !== 'number' || from < 0 || from >= to) return null
  return { from, to, ...(typeof name === 'string' && { name }) }
}

function number(value: unknown, low: number, high: number, or: number): number {
  return typeof value === 'number' && value >= low && value <= high ? value : or
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}
