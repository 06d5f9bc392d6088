import { expect, test } from 'vitest'
import { clock, day, percent, size, span, title } from './format'

test.each([
  [0, '0:00'],
  [59.9, '0:59'],
  [247, '4:07'],
  [3729, '1:02:09'],
])('a place of %d s reads %s', (seconds, words) => expect(clock(seconds)).toBe(words))

test.each([
  [0.2, '1 second'],
  [7.4, '7 seconds'],
  [41, '45 seconds'],
  [60, '1 minute'],
  [115, '2 minutes'],
  [1830, '31 minutes'],
  [3580, '1 h'],
  [3600, '1 h'],
  [5400, '1 h 30 min'],
  [7190, '2 h'],
])('%d s of work is told as %s', (seconds, words) => expect(span(seconds)).toBe(words))

test('sizes are in the units of file managers', () => {
  expect([300, 52_000, 1_500_000, 84_141_911, 2_500_000_000].map(size)).toEqual([
    '1 KB', '52 KB', '1.5 MB', '84 MB', '2.5 GB',
  ]) // prettier-ignore
})

test('work that is not done is never told as 100 %', () => expect(percent(0.9999)).toBe('99 %'))

test('days near by have names', () => {
  const noon = new Date(2026, 10, 23, 12).getTime() / 1000
  expect([0, 1, -1].map((days) => day(noon + days * 86400, noon))).toEqual(['today', 'tomorrow', 'yesterday'])
  expect(day(noon + 7 * 86400, noon)).toMatch(/^Mon,? 30 Nov$/)
})

test('a title is the name without its ending, and keeps dots that are no ending', () => {
  expect(['Song.mp3', 'Mr. Blue Sky', 'a.b.flac', '.mp3'].map(title)).toEqual(['Song', 'Mr. Blue Sky', 'a.b', '.mp3'])
})
