import { expect, test } from 'vitest'
import { evenMix, gains, withChannel } from './mixer'

const even = evenMix(['vocals', 'drums', 'bass'])

test('at first everything sounds as it is in the song', () => {
  expect(gains(even)).toEqual({ vocals: 1, drums: 1, bass: 1 })
})

test('where some stems are solo only those sound, each at its volume', () => {
  const mix = withChannel(withChannel(even, 'drums', { solo: true, volume: 1.5 }), 'bass', { solo: true })
  expect(gains(mix)).toEqual({ vocals: 0, drums: 1.5, bass: 1 })
})

test('a muted stem stays silent, solo or not', () => {
  expect(gains(withChannel(even, 'drums', { solo: true, muted: true }))).toEqual({ vocals: 0, drums: 0, bass: 0 })
})

test('a stem that is not there changes nothing', () => expect(withChannel(even, 'piano', { muted: true })).toBe(even))
