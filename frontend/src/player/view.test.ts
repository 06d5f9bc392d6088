import { expect, test } from 'vitest'
import { contains, following, fractionOf, isWhole, panned, sampleAt, validView, wholeSongView, zoomed } from './view'

const layout = { chunkSamples: 500, samples: 10_000, sampleRate: 100 }
const whole = wholeSongView(layout)

test('the sample under the pointer stays in its place', () => {
  const view = zoomed(whole, 4, 0.3, layout)
  expect(view.to - view.from).toBe(2500)
  expect(sampleAt(0.3, view)).toBe(3000)
  expect(fractionOf(3000, view)).toBeCloseTo(0.3)
  expect(isWhole(view, layout)).toBe(false)
})

test('the view stays inside the song, from two seconds to all of it', () => {
  expect(zoomed(whole, 1e6, 1, layout)).toEqual({ from: 9800, to: 10_000 })
  expect(zoomed({ from: 9000, to: 10_000 }, 0.001, 0.5, layout)).toEqual(whole)
  expect(panned({ from: 0, to: 1000 }, -1, layout)).toEqual({ from: 0, to: 1000 })
  expect(panned({ from: 8500, to: 9500 }, 2, layout)).toEqual({ from: 9000, to: 10_000 })
})

test('a view that follows the playhead shows what comes next', () => {
  const view = following({ from: 0, to: 1000 }, 1001, layout)
  expect(contains(view, 1001)).toBe(true)
  expect(fractionOf(1001, view)).toBeCloseTo(0.1)
  expect(following({ from: 0, to: 1000 }, 10_000, layout)).toEqual({ from: 9000, to: 10_000 })
})

test('a stored view that does not fit the song is the whole song', () => {
  expect(validView(null, layout)).toEqual(whole)
  expect(validView({ from: 0, to: 20_000 }, layout)).toEqual(whole)
  expect(validView({ from: 100, to: 101 }, layout)).toEqual({ from: 100, to: 300 })
})
