import { expect, test } from 'vitest'
import { chunksAhead, duration, endOf, inLoop, type Loop, loopBetween, pieceAt, positionAt, type ScheduledPiece } from './schedule'

const layout = { chunkSamples: 1000, samples: 2500, sampleRate: 100 }

/** Positions of all samples that sound when `count` pieces are played. */
function play(from: number, count: number, loop: Loop | null): number[] {
  const played: number[] = []
  let cursor = from
  for (let piece = pieceAt(cursor, layout, loop); piece !== null && count > 0; piece = pieceAt(cursor, layout, loop)) {
    expect(piece.offset + piece.length).toBeLessThanOrEqual(layout.chunkSamples)
    expect(piece.chunk * layout.chunkSamples + piece.offset).toBe(piece.start)
    for (let sample = 0; sample < piece.length; sample += 1) played.push(piece.start + sample)
    cursor = endOf(piece)
    count -= 1
  }
  return played
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index)

test('the song plays from any position to its end, each sample once', () => {
  expect(play(0, 99, null)).toEqual(range(0, 2500))
  expect(play(1234, 99, null)).toEqual(range(1234, 2500))
  expect(pieceAt(2500, layout, null)).toBeNull()
})

test('a loop across a chunk boundary repeats without an extra or missing sample', () => {
  const loop = { from: 900, to: 1100 }
  expect(play(950, 4, loop)).toEqual([...range(950, 1100), ...range(900, 1100)])
})

test('a loop plays only itself, wherever the playhead is', () => {
  const loop = { from: 900, to: 1100 }
  expect(play(1200, 2, loop)).toEqual(range(900, 1100))
  expect(play(100, 2, loop)).toEqual(range(900, 1100))
  expect([899, 900, 1099, 1100, 2500].map((position) => inLoop(position, loop))).toEqual([900, 900, 1099, 900, 900])
  expect(inLoop(1200, null)).toBe(1200)
})

test('a loop that ends with the song repeats', () => {
  expect(play(2400, 2, { from: 2300, to: 2500 })).toEqual([...range(2400, 2500), ...range(2300, 2500)])
})

const scheduled = (at: number, start: number, length: number, tempo = 1): ScheduledPiece => ({
  at, start, length, tempo, chunk: 0, offset: 0,
}) // prettier-ignore

test('the position follows the clock through the pieces, and stops in a gap', () => {
  const pieces = [scheduled(10, 500, 200), scheduled(12, 0, 100), scheduled(15, 100, 100)]
  const at = (now: number) => positionAt(now, pieces, 100, 42)
  expect([9, 10, 11.5, 12, 12.5].map(at)).toEqual([42, 500, 650, 0, 50])
  expect([13, 14.9, 15.5].map(at)).toEqual([100, 100, 150]) // a gap from 13 to 15
})

test('at another tempo a piece lasts longer or shorter, and the position follows', () => {
  const slow = scheduled(10, 500, 200, 0.5)
  expect(duration(slow, 100)).toBe(4)
  expect(positionAt(12, [slow], 100, 0)).toBe(600)
  expect(duration(scheduled(10, 500, 300, 1.5), 100)).toBe(2)
})

test('chunks are fetched in playing order', () => {
  expect(chunksAhead(500, layout, null, 3)).toEqual([0, 1, 2])
  expect(chunksAhead(2100, layout, { from: 100, to: 2500 }, 3)).toEqual([2, 0, 1])
  expect(chunksAhead(300, layout, { from: 100, to: 400 }, 3)).toEqual([0])
})

test('a loop is inside the song, has a minimum length, and its ends may be given in any order', () => {
  expect(loopBetween(900, 300, layout)).toEqual({ from: 300, to: 900 })
  expect(loopBetween(-50, 9000, layout)).toEqual({ from: 0, to: 2500 })
  expect(loopBetween(2500, 2500, layout)).toEqual({ from: 2475, to: 2500 })
})
