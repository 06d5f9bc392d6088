import { expect, test } from 'vitest'
import { defaultMix, gains, isSilent, presets, sameMix, toggled, withChannel, withStems } from './mixer'

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

const groups = { 'drums.kick': 'drums', 'drums.snare': 'drums' }
const split = withStems(mix, ['vocals', 'drums', 'drums.kick', 'drums.snare'])

test('the parts of a stem sound instead of it, at the volume of both', () => {
  const loud = withChannel(withChannel(split, 'drums', { volume: 0.5 }), 'drums.kick', { volume: 1.5 })
  expect(gains(loud, groups)).toEqual({ vocals: 1, 'drums.kick': 0.75, 'drums.snare': 0.5 })
  const louder = withChannel(withChannel(split, 'drums', { volume: 2 }), 'drums.kick', { volume: 2 })
  expect(gains(louder, groups)['drums.kick']).toBe(2)
})

test('mute and solo of a stem apply to all its parts', () => {
  expect(gains(toggled(split, 'drums', 'muted'), groups)).toEqual({ vocals: 1, 'drums.kick': 0, 'drums.snare': 0 })
  expect(gains(toggled(split, 'drums', 'solo'), groups)).toEqual({ vocals: 0, 'drums.kick': 1, 'drums.snare': 1 })
  expect(gains(toggled(split, 'drums.snare', 'solo'), groups)).toEqual({ vocals: 0, 'drums.kick': 0, 'drums.snare': 1 })
})

test('a stem is silent if none of its parts is heard', () => {
  const solo = toggled(split, 'drums.snare', 'solo')
  expect(['vocals', 'drums', 'drums.kick', 'drums.snare'].map((stem) => isSilent(stem, solo, groups))).toEqual([
    true, false, true, false,
  ]) // prettier-ignore
})

test('stems that come and go keep the others’ channels', () => {
  const muted = toggled(mix, 'vocals', 'muted')
  expect(withStems(muted, ['vocals', 'piano'])).toEqual({ vocals: muted.vocals, piano: mix.bass })
})

test('presets are the mixes that the stems allow', () => {
  const heard = (stems: string[]) =>
    Object.fromEntries(
      presets(stems).map(({ name, mix }) => [name, stems.filter((stem) => (gains(mix)[stem] ?? 0) > 0)]),
    )
  expect(heard(['vocals', 'no_vocals'])).toEqual({ Karaoke: ['no_vocals'], 'Only vocals': ['vocals'] })
  expect(heard(['vocals', 'drums', 'bass'])).toEqual({
    Karaoke: ['drums', 'bass'],
    'Without drums': ['vocals', 'bass'],
    'Only vocals': ['vocals'],
  })
  expect(heard(['kick', 'snare'])).toEqual({})
  const [karaoke] = presets(['vocals', 'no_vocals', 'vocals.lead', 'vocals.rest'], { 'vocals.lead': 'vocals', 'vocals.rest': 'vocals' })
  expect(karaoke?.mix['vocals.lead']?.muted).toBe(false)
})

test('mixes are compared by what they hold', () => {
  expect(sameMix(mix, defaultMix(['bass', 'drums', 'vocals']))).toBe(true)
  expect(sameMix(mix, toggled(mix, 'bass', 'solo'))).toBe(false)
})

test('an unknown stem changes nothing', () => expect(withChannel(mix, 'piano', { muted: true })).toBe(mix))
