/** Volume, mute and solo of each stem, and the gains that follow from them. */

export interface Channel {
  /** 0 to 2; 1: as it is in the song. */
  volume: number
  muted: boolean
  solo: boolean
}

export type Mix = Record<string, Channel>

export function evenMix(stems: readonly string[]): Mix {
  return Object.fromEntries(stems.map((stem) => [stem, { volume: 1, muted: false, solo: false }]))
}

/** What each stem is multiplied with: where any is solo, only those sound. Muted stays muted. */
export function gains(mix: Mix): Record<string, number> {
  const anySolo = Object.values(mix).some((channel) => channel.solo)
  return Object.fromEntries(
    Object.entries(mix).map(([stem, { volume, muted, solo }]) => [stem, muted || (anySolo && !solo) ? 0 : volume]),
  )
}

export function withChannel(mix: Mix, stem: string, changes: Partial<Channel>): Mix {
  const channel = mix[stem]
  return channel === undefined ? mix : { ...mix, [stem]: { ...channel, ...changes } }
}
