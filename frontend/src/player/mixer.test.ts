import { expect, test } from 'vitest'
import { defaultMix, gains, isSilent, type Mix, presets, sameMix, toggled, wholeSong, withChannel, withStems } from './mixer'

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
  expect(muted.drums).toEqual({ volume: 1, muted: true, solo: false, pan: 0 })
  expect(toggled(toggled(muted, 'drums', 'muted'), 'drums', 'solo').drums).toEqual({ volume: 1, muted: false, solo: true, pan: 0 })
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

const heard = (stems: string[], of: Mix | null) => of && stems.filter((stem) => (gains(of)[stem] ?? 0) > 0)
const heardIn = (stems: string[], choice: string) =>
  Object.fromEntries(presets(stems, choice).map(({ name, mix }) => [name, heard(stems, mix)]))

test('presets are the mixes that the stems allow', () => {
  expect(heardIn(['vocals', 'no_vocals'], 'vocals')).toEqual({ Karaoke: ['no_vocals'], 'Only vocals': ['vocals'] })
  expect(heardIn(['vocals', 'drums', 'bass'], 'all')).toEqual({
    Karaoke: ['drums', 'bass'],
    'Without drums': ['vocals', 'bass'],
    'Only vocals': ['vocals'],
  })
  expect(heardIn(['kick', 'snare'], 'all')).toEqual({})
  const parts = { 'vocals.lead': 'vocals', 'vocals.rest': 'vocals' }
  const [karaoke] = presets(['vocals', 'no_vocals', ...Object.keys(parts)], 'vocals', parts)
  expect(karaoke?.mix['vocals.lead']?.muted).toBe(false)
})

test('stems that don’t add up to the song have no mix that needs the song', () => {
  expect(heardIn(['vocals', 'bass'], 'vocals,bass')).toEqual({ 'Only vocals': ['vocals'] })
  expect(heardIn(['vocals', 'mix'], 'vocals,mix')).toEqual({ 'Only vocals': ['vocals'] })
  expect(heardIn(['no_bass'], 'no_bass')).toEqual({})
  expect(wholeSong(['vocals', 'bass'], 'vocals,bass')).toBeNull()
})

test('the whole song is heard once, also if stems overlap', () => {
  const whole = (stems: string[], choice: string) => heard(stems, wholeSong(stems, choice))
  expect(whole(['vocals', 'no_vocals'], 'vocals')).toEqual(['vocals', 'no_vocals'])
  expect(whole(['vocals', 'bass', 'mix'], 'vocals,bass,mix')).toEqual(['mix'])
  expect(whole(['vocals', 'bass', 'rest', 'mix'], 'vocals, bass, rest, mix')).toEqual(['vocals', 'bass', 'rest'])
  expect(whole(['vocals', 'drums', 'bass', 'drums+bass', 'mix'], 'all,drums+bass,mix')).toEqual(['vocals', 'drums', 'bass'])
  expect(whole(['vocals', 'drums', 'no_vocals'], 'vocals,drums,no_vocals')).toEqual(['vocals', 'no_vocals'])
})

test('mixes are compared by what they hold', () => {
  expect(sameMix(mix, defaultMix(['bass', 'drums', 'vocals']))).toBe(true)
  expect(sameMix(mix, toggled(mix, 'bass', 'solo'))).toBe(false)
})

test('an unknown stem changes nothing', () => expect(withChannel(mix, 'piano', { muted: true })).toBe(mix))
