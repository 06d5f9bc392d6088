/**
 * Volume, mute and solo of each stem, and the resulting gains.
 *
 * A stem that is separated further is a group: its parts sound instead of it, and its controls apply to all of them.
 */
import { addingUp } from '../lib/stems'

export interface Channel {
  /** 0 to 2; 1: unchanged. */
  volume: number
  muted: boolean
  solo: boolean
  /** From -1, all left, to 1, all right. */
  pan: number
}

export type Mix = Record<string, Channel>

/** The stem of each part, by the part's name. */
export type Groups = Readonly<Record<string, string>>

const LOUDEST = 2 // of the server's mixes

export const DEFAULT_CHANNEL: Channel = { volume: 1, muted: false, solo: false, pan: 0 }

/** The click's name beside the stems of a mix. */
export const CLICK = 'click'
export const DEFAULT_CLICK: Channel = { ...DEFAULT_CHANNEL, muted: true }

export function defaultMix(stems: readonly string[]): Mix {
  return Object.fromEntries(stems.map((stem) => [stem, DEFAULT_CHANNEL]))
}

/** A mix by name. */
export interface Preset {
  name: string
  mix: Mix
}

/** The mixes that these stems allow: without a singer or drummer, or only the voice. `choice`: see `addingUp`. */
export function presets(stems: readonly string[], choice: string, groups: Groups = {}): Preset[] {
  const whole = withoutParts(stems, groups)
  const song = addingUp(whole, choice) ?? []
  const without = (stem: string) => ({ mix: hearing(song.filter((one) => one !== stem), stems, groups) })
  return [
    ...(song.includes('vocals') ? [{ name: 'Karaoke', ...without('vocals') }] : []),
    ...(song.includes('drums') ? [{ name: 'Without drums', ...without('drums') }] : []),
    ...(whole.includes('vocals') && whole.length > 1 ? [{ name: 'Only vocals', mix: hearing(['vocals'], stems, groups) }] : []),
  ]
}

/** The mix that is the song as it is; null if the stems don't add up to it. `choice`: see `addingUp`. */
export function wholeSong(stems: readonly string[], choice: string, groups: Groups = {}): Mix | null {
  const song = addingUp(withoutParts(stems, groups), choice)
  return song === null ? null : hearing(song, stems, groups)
}

/** The mix in which only some stems sound. Parts follow their stem. */
function hearing(heard: readonly string[], stems: readonly string[], groups: Groups): Mix {
  const muted = (stem: string) => !(stem in groups) && !heard.includes(stem)
  return Object.fromEntries(stems.map((stem) => [stem, { ...DEFAULT_CHANNEL, muted: muted(stem) }]))
}

function withoutParts(stems: readonly string[], groups: Groups): string[] {
  return stems.filter((stem) => !(stem in groups))
}

/** Whether two mixes sound the same and show the same. */
export function sameMix(one: Mix, other: Mix): boolean {
  const channels = (mix: Mix) => Object.entries(mix).map(([stem, { volume, muted, solo, pan }]) => [stem, volume, muted, solo, pan])
  return JSON.stringify(channels(one).sort()) === JSON.stringify(channels(other).sort())
}

/** The channels of these stems; new ones have their defaults. */
export function withStems(mix: Mix, stems: readonly string[]): Mix {
  return Object.fromEntries(stems.map((stem) => [stem, mix[stem] ?? DEFAULT_CHANNEL]))
}

/** The gain of each stem that sounds: those without parts. If any is solo, all others are silent. Mute overrides solo. */
export function gains(mix: Mix, groups: Groups = {}): Record<string, number> {
  const anySolo = Object.values(mix).some((channel) => channel.solo)
  const whole = new Set(Object.values(groups))
  const gainOf = (name: string, { volume, muted, solo }: Channel): number => {
    const group = mix[groups[name] ?? '']
    if (muted || group?.muted === true || (anySolo && !solo && group?.solo !== true)) return 0
    return Math.min(LOUDEST, volume * (group?.volume ?? 1))
  }
  const sounding = Object.entries(mix).filter(([name]) => !whole.has(name))
  return Object.fromEntries(sounding.map(([name, channel]) => [name, gainOf(name, channel)]))
}

/** The place of each stem between left and right. A part is moved together with its stem. */
export function pans(mix: Mix, groups: Groups = {}): Record<string, number> {
  const panOf = (name: string, { pan }: Channel) => Math.max(-1, Math.min(1, pan + (mix[groups[name] ?? '']?.pan ?? 0)))
  return Object.fromEntries(Object.entries(mix).map(([name, channel]) => [name, panOf(name, channel)]))
}

/** Whether nothing of a stem or of its parts is heard. */
export function isSilent(stem: string, mix: Mix, groups: Groups): boolean {
  return Object.entries(gains(mix, groups)).every(([name, gain]) => gain === 0 || (name !== stem && groups[name] !== stem))
}

/** The mix with a stem's mute or solo switched. */
export function toggled(mix: Mix, stem: string, control: 'muted' | 'solo'): Mix {
  return withChannel(mix, stem, { [control]: mix[stem]?.[control] !== true })
}

export function withChannel(mix: Mix, stem: string, changes: Partial<Channel>): Mix {
  const channel = mix[stem]
  return channel === undefined ? mix : { ...mix, [stem]: { ...channel, ...changes } }
}
