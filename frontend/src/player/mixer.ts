/** Volume, mute and solo of each stem, and the resulting gains. */

export interface Channel {
  /** 0 to 2; 1: unchanged. */
  volume: number
  muted: boolean
  solo: boolean
}

export type Mix = Record<string, Channel>

export const DEFAULT_CHANNEL: Channel = { volume: 1, muted: false, solo: false }

export function defaultMix(stems: readonly string[]): Mix {
  return Object.fromEntries(stems.map((stem) => [stem, DEFAULT_CHANNEL]))
}

/** The gain of each stem. If any stem is solo, all others are silent. Mute overrides solo. */
export function gains(mix: Mix): Record<string, number> {
  const anySolo = Object.values(mix).some((channel) => channel.solo)
  return Object.fromEntries(
    Object.entries(mix).map(([stem, { volume, muted, solo }]) => [stem, muted || (anySolo && !solo) ? 0 : volume]),
  )
}

/** The mix with a stem's mute or solo switched. */
export function toggled(mix: Mix, stem: string, control: 'muted' | 'solo'): Mix {
  return withChannel(mix, stem, { [control]: mix[stem]?.[control] !== true })
}

export function withChannel(mix: Mix, stem: string, changes: Partial<Channel>): Mix {
  const channel = mix[stem]
  return channel === undefined ? mix : { ...mix, [stem]: { ...channel, ...changes } }
}
