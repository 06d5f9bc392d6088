import { expect, test } from 'vitest'
import { countIn, firstBeatFrom, nearestBeat, neighbourBeat, snapped } from './beats'

const beats = Array.from({ length: 20 }, (_, index) => 0.25 + index * 0.5)
const layout = { chunkSamples: 5000, samples: 10_000, sampleRate: 1000 }

test('finds the beats around a time', () => {
  expect([0, 0.25, 0.3, 99].map((seconds) => firstBeatFrom(beats, seconds))).toEqual([0, 0, 1, 20])
  expect([0, 0.49, 0.51, 99].map((seconds) => nearestBeat(beats, seconds))).toEqual([0.25, 0.25, 0.75, 9.75])
  expect(nearestBeat([], 3)).toBe(3)
  expect(neighbourBeat(beats, 0.75, 1)).toBe(1.25)
  expect(neighbourBeat(beats, 0.75, -1)).toBe(0.25)
  expect(neighbourBeat(beats, 0.1, -1)).toBe(0.1)
})

test('a loop goes from beat to beat and is never empty', () => {
  expect(snapped({ from: 1100, to: 2900 }, beats, layout)).toEqual({ from: 1250, to: 2750 })
  expect(snapped({ from: 1200, to: 1300 }, beats, layout)).toEqual({ from: 1250, to: 1750 })
  expect(snapped({ from: 9700, to: 9990 }, beats, layout)).toEqual({ from: 9250, to: 9750 })
  expect(snapped({ from: 1100, to: 2900, name: 'Chorus' }, beats, layout).name).toBe('Chorus')
  expect(snapped({ from: 1100, to: 2900 }, [], layout)).toEqual({ from: 1100, to: 2900 })
})

test('four clicks lead to a beat', () => {
  expect(countIn(beats, 1.25)).toEqual({ length: 2, clicks: [0, 0.5, 1, 1.5] })
})

test('between two beats the clicks are in step with the beats of the song', () => {
  const { length, clicks } = countIn(beats, 1.35)
  // The next beat is at 1.75 s, 0.4 s after the start of the music.
  expect(length + 0.4 - (clicks[3] ?? 0)).toBeCloseTo(0.5)
  expect(clicks).toHaveLength(4)
})

test('a count-in is in step before the first beat and after the last', () => {
  expect(countIn(beats, 0).length + 0.25 - 1.5).toBeCloseTo(0.5)
  expect(countIn(beats, 9.9).length).toBeGreaterThan(1.5)
  expect(countIn([], 3)).toEqual({ length: 0, clicks: [] })
})
