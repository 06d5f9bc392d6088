/** Which part of the song sounds when. Positions are in samples, times in seconds of the AudioContext. */
import type { Layout } from './peaks'

export interface Loop {
  from: number
  to: number
  /** If it is kept with the song. */
  name?: string
}

/** A part of one chunk, played without a gap after the piece before it. */
export interface Piece {
  chunk: number
  /** Position in the song. */
  start: number
  /** Position in the chunk. */
  offset: number
  length: number
}

export interface ScheduledPiece extends Piece {
  /** Start time. */
  at: number
  /** Speed; 1: as recorded. */
  tempo: number
}

const MIN_LOOP_S = 0.25

/** The position itself, or the loop's start if it is outside the loop: a loop plays only itself. */
export function inLoop(position: number, loop: Loop | null): number {
  return loop !== null && (position < loop.from || position >= loop.to) ? loop.from : position
}

/** The piece that starts at `cursor`, or null at the song's end. With a loop, it is a piece of the loop. */
export function pieceAt(cursor: number, layout: Layout, loop: Loop | null): Piece | null {
  const start = inLoop(cursor, loop)
  if (start >= layout.samples) return null
  const chunk = Math.floor(start / layout.chunkSamples)
  const end = Math.min((chunk + 1) * layout.chunkSamples, loop?.to ?? layout.samples)
  return { chunk, start, offset: start - chunk * layout.chunkSamples, length: end - start }
}

/** Seconds that a piece sounds. */
export function duration(piece: ScheduledPiece, sampleRate: number): number {
  return piece.length / sampleRate / piece.tempo
}

/** Position of a piece's end. */
export function endOf(piece: Piece): number {
  return piece.start + piece.length
}

/** The position that sounds at time `now`. `pieces` are in order; before the first one the position is `before`. */
export function positionAt(now: number, pieces: readonly ScheduledPiece[], sampleRate: number, before: number): number {
  const current = pieces.findLast((piece) => piece.at <= now)
  if (current === undefined) return before
  return current.start + Math.min(Math.round((now - current.at) * sampleRate * current.tempo), current.length)
}

/** The next `count` chunks that playback needs, in order. */
export function chunksAhead(cursor: number, layout: Layout, loop: Loop | null, count: number): number[] {
  const chunks: number[] = []
  let position = cursor
  for (let steps = 0; chunks.length < count && steps < 4 * count; steps += 1) {
    const piece = pieceAt(position, layout, loop)
    if (piece === null) break
    if (!chunks.includes(piece.chunk)) chunks.push(piece.chunk)
    position = endOf(piece)
  }
  return chunks
}

/** The first and the last chunk of a part of the song. */
export function chunksBetween(from: number, to: number, { chunkSamples, samples }: Layout): number[] {
  const chunkOf = (place: number) => Math.floor(Math.max(0, Math.min(place, samples - 1)) / chunkSamples)
  return [...new Set([chunkOf(from), chunkOf(to)])]
}

/** A loop between two positions in any order, inside the song and no shorter than a quarter of a second. */
export function loopBetween(a: number, b: number, layout: Layout): Loop {
  const minLength = Math.min(Math.round(layout.sampleRate * MIN_LOOP_S), layout.samples)
  const from = Math.max(0, Math.min(a, b, layout.samples - minLength))
  return { from, to: Math.min(layout.samples, Math.max(a, b, from + minLength)) }
}
