/** The part of a song that the timeline shows. */
import type { Layout } from './peaks'

/** From and to which sample. */
export interface View {
  from: number
  to: number
}

/** The finer waveform has 172 columns for a second; a screen has about 300. */
const SHORTEST_S = 2
/** Where the playhead appears when the view follows it, as a share of its width. */
const FOLLOW_AT = 0.1

export function wholeSongView(layout: Layout): View {
  return { from: 0, to: layout.samples }
}

export function isWhole(view: View, layout: Layout): boolean {
  return view.from <= 0 && view.to >= layout.samples
}

/** Position of a sample on the timeline, 0 to 1 inside the view. */
export function fractionOf(position: number, { from, to }: View): number {
  return (position - from) / (to - from)
}

/** The sample at a place on the timeline. */
export function sampleAt(fraction: number, { from, to }: View): number {
  return Math.round(from + fraction * (to - from))
}

/** The view that is `factor` times as close. The sample at `fraction` stays in its place, unless the song ends there. */
export function zoomed(view: View, factor: number, fraction: number, layout: Layout): View {
  const shortest = Math.min(SHORTEST_S * layout.sampleRate, layout.samples)
  const length = Math.max(shortest, Math.min((view.to - view.from) / factor, layout.samples))
  return startingAt(view.from + fraction * (view.to - view.from) - fraction * length, length, layout)
}

/** The view moved by a share of its width; it stays inside the song. */
export function panned(view: View, share: number, layout: Layout): View {
  const length = view.to - view.from
  return startingAt(view.from + share * length, length, layout)
}

/** The view of the same length around a position, which is near its start. */
export function following(view: View, position: number, layout: Layout): View {
  const length = view.to - view.from
  return startingAt(position - FOLLOW_AT * length, length, layout)
}

export function contains({ from, to }: View, position: number): boolean {
  return position >= from && position <= to
}

/** A stored view, or the whole song if it doesn't fit the song. */
export function validView(view: View | null, layout: Layout): View {
  if (view === null || view.to > layout.samples) return wholeSongView(layout)
  return zoomed(view, 1, 0, layout)
}

function startingAt(from: number, length: number, layout: Layout): View {
  const start = Math.max(0, Math.min(from, layout.samples - length))
  return { from: start, to: start + length }
}
