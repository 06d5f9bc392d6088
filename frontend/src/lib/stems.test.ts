import { expect, test } from 'vitest'
import { isDrums, stemName } from './stems'

test('only drums, their pieces and sums of these keep their pitch', () => {
  for (const stem of ['drums', 'drums.no_kick', 'mix.drums', 'kick', 'kick+snare']) expect(isDrums(stem), stem).toBe(true)
  for (const stem of ['drums+bass', 'no_drums', 'no_drums.bass', 'stem', 'mix']) expect(isDrums(stem), stem).toBe(false)
})

test('sums and the song have names in words', () => {
  expect(['drums+bass', 'mix', 'no_bass'].map(stemName)).toEqual(['Drums and bass', 'Song', 'Without bass'])
})
