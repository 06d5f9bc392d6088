import { expect, test } from 'vitest'
import { columns, parsePeaks, peakLevel } from './peaks'

const peaks = parsePeaks({
  bits: 8,
  sample_rate: 44100,
  samples_per_pixel: 250,
  data: [-128, 127, -64, 32, 0, 0, -1, 64],
  play: { chunk_samples: 220500, samples: 1000, offsets: [0, 77] },
})

const whole = { from: 0, to: 1000 }

test('eight-bit values become fractions of full scale', () => {
  expect([...peaks.pairs]).toEqual([-1, 127 / 128, -0.5, 0.25, 0, 0, -1 / 128, 0.5].map(Math.fround))
  expect(peakLevel([peaks])).toBe(1)
})

test('fewer columns than pixels keep the extremes of each stretch', () => {
  expect([...columns(peaks, whole, 2)]).toEqual([-1, 127 / 128, -1 / 128, 0.5].map(Math.fround))
})

test('more columns than pixels repeat them, and an empty waveform is a flat line', () => {
  expect([...columns(peaks, whole, 8)].filter((_, index) => index % 4 === 0)).toEqual([-1, -0.5, 0, Math.fround(-1 / 128)])
  expect([...columns({ pairs: new Float32Array(), samplesPerPair: 64 }, whole, 3)]).toEqual([0, 0, 0, 0, 0, 0])
})

test('columns show the part of the song in view', () => {
  expect([...columns(peaks, { from: 500, to: 1000 }, 2)]).toEqual([0, 0, -1 / 128, 0.5].map(Math.fround))
})
