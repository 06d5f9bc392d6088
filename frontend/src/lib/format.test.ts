import { expect, test } from 'vitest'
import { formatDay, formatDuration, formatPercent, formatSize, formatTime, songTitle, formatPart, isEmptyPart, isTime } from './format'

test.each([
  [0, '0:00'],
  [59.9, '0:59'],
  [247, '4:07'],
  [3729, '1:02:09'],
])('%d s is shown as %s', (seconds, text) => expect(formatTime(seconds)).toBe(text))

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
])('an estimate of %d s is shown as %s', (seconds, text) => expect(formatDuration(seconds)).toBe(text))

test('sizes are in decimal units', () => {
  expect([300, 52_000, 1_500_000, 84_141_911, 2_500_000_000].map(formatSize)).toEqual([
    '1 KB', '52 KB', '1.5 MB', '84 MB', '2.5 GB',
  ]) // prettier-ignore
})

test('unfinished work never shows 100 %', () => expect(formatPercent(0.9999)).toBe('99 %'))

test('yesterday, today and tomorrow are named', () => {
  const noon = new Date(2026, 10, 23, 12).getTime() / 1000
  expect([0, 1, -1].map((days) => formatDay(noon + days * 86400, noon))).toEqual(['today', 'tomorrow', 'yesterday'])
  expect(formatDay(noon + 7 * 86400, noon)).toMatch(/^Mon,? 30 Nov$/)
})

test('a title is the file name without its extension, and keeps other dots', () => {
  expect(['Song.mp3', 'Mr. Blue Sky', 'a.b.flac', '.mp3'].map(songTitle)).toEqual(['Song', 'Mr. Blue Sky', 'a.b', '.mp3'])
})

test('times are those that the server understands', () => {
  expect(['65', '65.5', '1:05', '1:02:03.5', '-0:30'].filter((text) => !isTime(text))).toEqual([])
  expect(['', 'noon', '1:75', '1:', ':5', '--5', '1e3'].filter(isTime)).toEqual([])
})

test('a part of a song is named by its ends', () => {
  expect(formatPart(65, 95)).toBe('from 1:05 to 1:35')
  expect(formatPart(null, -30)).toBe('to 0:30 before the end')
  expect(formatPart(undefined, null)).toBe('')
})

test('a part that ends before it starts is noticed', () => {
  for (const [start, end] of [['1:05', '65'], ['10', '9'], ['', '0'], ['-10', '-0:20']] as const) expect(isEmptyPart(start, end)).toBe(true)
  for (const [start, end] of [['1:05', '1:06'], ['', '5'], ['10', ''], ['10', '-5'], ['-20', '-10'], ['9', 'x']] as const)
    expect(isEmptyPart(start, end)).toBe(false)
})
