/** The beats of a song: places to snap to, and clicks to play along with. Beats are in seconds, in order. */
import { type Loop, loopBetween } from './schedule'
import type { Layout } from './peaks'

/** Beats of a count-in. The first beat of a bar is not known, so a bar is taken to have four. */
export const COUNT_IN_BEATS = 4

/** A position that starts this close to a beat starts on it. */
const ON_BEAT_S = 0.03

/** Index of the first beat at or after a time. */
export function firstBeatFrom(beats: readonly number[], seconds: number): number {
  let [low, high] = [0, beats.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((beats[middle] ?? 0) < seconds) low = middle + 1
    else high = middle
  }
  return low
}

/** The beat that is nearest to a time; the time itself without beats. */
export function nearestBeat(beats: readonly number[], seconds: number): number {
  const after = firstBeatFrom(beats, seconds)
  const candidates = [beats[after - 1], beats[after]].filter((beat) => beat !== undefined)
  return candidates.reduce((best, beat) => (Math.abs(beat - seconds) < Math.abs(best - seconds) ? beat : best), candidates[0] ?? seconds)
}

/** The next beat after a time, or the one before it; the time itself if there is none. */
export function neighbourBeat(beats: readonly number[], seconds: number, step: number): number {
  const tolerance = 0.002
  if (step > 0) return beats[firstBeatFrom(beats, seconds + tolerance)] ?? seconds
  return beats[firstBeatFrom(beats, seconds - tolerance) - 1] ?? seconds
}

/** A loop from beat to beat; at least one beat long. Without beats, the loop as it is. */
export function snapped(loop: Loop, beats: readonly number[], layout: Layout): Loop {
  if (beats.length < 2) return loop
  const { sampleRate } = layout
  const from = nearestBeat(beats, loop.from / sampleRate)
  const to = Math.max(nearestBeat(beats, loop.to / sampleRate), neighbourBeat(beats, from, 1))
  const ends = to > from ? [from, to] : [neighbourBeat(beats, to, -1), to]
  const [start = 0, end = 0] = ends.map((seconds) => Math.round(seconds * sampleRate))
  return { ...loop, ...loopBetween(start, end, layout) }
}

/** Seconds from one beat to the next around a time. */
function beatLength(beats: readonly number[], seconds: number): number {
  const index = Math.min(Math.max(1, firstBeatFrom(beats, seconds + ON_BEAT_S)), beats.length - 1)
  return (beats[index] ?? 0) - (beats[index - 1] ?? 0)
}

export interface CountIn {
  /** Seconds of the song's time before the music starts. */
  length: number
  /** Times of the clicks within them. */
  clicks: number[]
}

/**
 * Clicks before the music that starts at a time, in step with its beats. The music starts when the count-in is over:
 * on the beat after the last click, or as far from that beat as the place in the song is.
 */
export function countIn(beats: readonly number[], seconds: number): CountIn {
  if (beats.length < 2) return { length: 0, clicks: [] }
  const length = beatLength(beats, seconds)
  const next = beats[firstBeatFrom(beats, seconds - ON_BEAT_S)] ?? seconds
  // Clicks continue the song's beats backwards: the last one is the last before the music.
  const lead = ((((next - seconds) % length) + length) % length) % length
  const last = lead < ON_BEAT_S || lead > length - ON_BEAT_S ? length : length - lead
  const first = last + (COUNT_IN_BEATS - 1) * length
  return { length: first, clicks: Array.from({ length: COUNT_IN_BEATS }, (_, index) => index * length) }
}
