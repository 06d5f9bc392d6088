import { expect, test } from 'vitest'
import { after, chunksAhead, type Loop, loopBetween, pieceAt, placeAt, type Timed } from './schedule'

const layout = { chunkSamples: 1000, samples: 2500, sampleRate: 100 }

/** Plays `count` pieces one after the other; the samples of the song that sound. */
function run(from: number, count: number, loop: Loop | null): number[] {
  const heard: number[] = []
  let cursor = from
  for (let piece = pieceAt(cursor, layout, loop); piece !== null && count > 0; piece = pieceAt(cursor, layout, loop)) {
    expect(piece.offset + piece.length).toBeLessThanOrEqual(layout.chunkSamples)
    expect(piece.chunk * layout.chunkSamples + piece.offset).toBe(piece.start)
    for (let sample = 0; sample < piece.length; sample += 1) heard.push(piece.start + sample)
    cursor = after(piece)
    count -= 1
  }
  return heard
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, place) => from + place)

test('the song sounds from any place to its end, each sample once', () => {
  expect(run(0, 99, null)).toEqual(range(0, 2500))
  expect(run(1234, 99, null)).toEqual(range(1234, 2500))
  expect(pieceAt(2500, layout, null)).toBeNull()
})

test('a loop goes round, across the edges of chunks, without a sample too many or too few', () => {
  const loop = { from: 900, to: 1100 }
  expect(run(850, 4, loop)).toEqual([...range(850, 1100), ...range(900, 1100)])
})

test('what has gone past a loop plays on to the end', () => {
  expect(run(1200, 99, { from: 900, to: 1100 })).toEqual(range(1200, 2500))
})

test('a loop to the very end goes round too', () => {
  expect(run(2400, 2, { from: 2300, to: 2500 })).toEqual([...range(2400, 2500), ...range(2300, 2500)])
})

const timed = (at: number, start: number, length: number): Timed => ({ at, start, length, chunk: 0, offset: 0 })

test('the place follows the clock through pieces, and stands still where sound is missing', () => {
  const pieces = [timed(10, 500, 200), timed(12, 0, 100), timed(15, 100, 100)]
  const at = (now: number) => placeAt(now, pieces, 100, 42)
  expect([9, 10, 11.5, 12, 12.5].map(at)).toEqual([42, 500, 650, 0, 50])
  expect([13, 14.9, 15.5].map(at)).toEqual([100, 100, 150]) // the second piece ended at 13, the third came late
})

test('chunks are fetched in the order in which they will sound', () => {
  expect(chunksAhead(500, layout, null, 3)).toEqual([0, 1, 2])
  expect(chunksAhead(2100, layout, { from: 100, to: 2500 }, 3)).toEqual([2, 0, 1])
  expect(chunksAhead(300, layout, { from: 100, to: 400 }, 3)).toEqual([0])
})

test('a loop lies within the song, whichever end was set first, and is never too short to hear', () => {
  expect(loopBetween(900, 300, layout)).toEqual({ from: 300, to: 900 })
  expect(loopBetween(-50, 9000, layout)).toEqual({ from: 0, to: 2500 })
  expect(loopBetween(2500, 2500, layout)).toEqual({ from: 2475, to: 2500 })
})
