import { expect, test } from 'vitest'
import { defaultMix, gains, toggled, withChannel } from './mixer'

const mix = defaultMix(['vocals', 'drums', 'bass'])

test('by default all stems have a gain of 1', () => {
  expect(gains(mix)).toEqual({ vocals: 1, drums: 1, bass: 1 })
})

test('with solo stems only these sound, each at its volume', () => {
  const solo = withChannel(withChannel(mix, 'drums', { solo: true, volume: 1.5 }), 'bass', { solo: true })
  expect(gains(solo)).toEqual({ vocals: 0, drums: 1.5, bass: 1 })
})

test('mute overrides solo', () => {
  expect(gains(withChannel(mix, 'drums', { solo: true, muted: true }))).toEqual({ vocals: 0, drums: 0, bass: 0 })
})

test('mute and solo are switched on and off', () => {
  const muted = toggled(mix, 'drums', 'muted')
  expect(muted.drums).toEqual({ volume: 1, muted: true, solo: false })
  expect(toggled(toggled(muted, 'drums', 'muted'), 'drums', 'solo').drums).toEqual({ volume: 1, muted: false, solo: true })
})

test('an unknown stem changes nothing', () => expect(withChannel(mix, 'piano', { muted: true })).toBe(mix))
