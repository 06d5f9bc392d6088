/** Which piece of the song sounds when. Pure arithmetic; places are samples, times are seconds of the AudioContext. */
import type { Layout } from './peaks'

export interface Loop {
  from: number
  to: number
}

/** A part of one chunk, to be played without a gap after the piece before it. */
export interface Piece {
  chunk: number
  /** In the song. */
  start: number
  /** In the chunk. */
  offset: number
  length: number
}

/** A piece and when it sounds. */
export interface Timed extends Piece {
  at: number
}

/** What sounds when the song has come to `cursor`; null at its end. A loop holds only what has not gone past it. */
export function pieceAt(cursor: number, layout: Layout, loop: Loop | null): Piece | null {
  const start = loop !== null && cursor === loop.to ? loop.from : cursor
  if (start >= layout.samples) return null
  const chunk = Math.floor(start / layout.chunkSamples)
  let end = Math.min((chunk + 1) * layout.chunkSamples, layout.samples)
  if (loop !== null && start < loop.to) end = Math.min(end, loop.to)
  return { chunk, start, offset: start - chunk * layout.chunkSamples, length: end - start }
}

/** Where the song goes on after a piece. */
export function after(piece: Piece): number {
  return piece.start + piece.length
}

/** The place that sounds at `now`, by the pieces that were scheduled (in order); `rest` before the first of them. */
export function placeAt(now: number, pieces: readonly Timed[], sampleRate: number, rest: number): number {
  const current = pieces.findLast((piece) => piece.at <= now)
  if (current === undefined) return rest
  return current.start + Math.min(Math.round((now - current.at) * sampleRate), current.length)
}

/** The chunks that will be wanted next, nearest first. */
export function chunksAhead(cursor: number, layout: Layout, loop: Loop | null, count: number): number[] {
  const found: number[] = []
  let place = cursor
  for (let steps = 0; found.length < count && steps < 4 * count; steps += 1) {
    const piece = pieceAt(place, layout, loop)
    if (piece === null) break
    if (!found.includes(piece.chunk)) found.push(piece.chunk)
    place = after(piece)
  }
  return found
}

/** A loop between two places, whichever was set first: within the song, and long enough to be heard as one. */
export function loopBetween(a: number, b: number, layout: Layout): Loop {
  const least = Math.min(Math.round(layout.sampleRate / 4), layout.samples)
  const from = Math.max(0, Math.min(a, b, layout.samples - least))
  return { from, to: Math.min(layout.samples, Math.max(a, b, from + least)) }
}
