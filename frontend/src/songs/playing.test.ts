import { beforeEach, expect, test, vi } from 'vitest'
import { readPlaying, savePlaying, UNPLAYED } from './playing'

const items = new Map<string, string>()

beforeEach(() => {
  items.clear()
  vi.stubGlobal('localStorage', {
    getItem: (key: string) => items.get(key) ?? null,
    setItem: (key: string, value: string) => items.set(key, value),
  })
})

const played = {
  mix: { vocals: { volume: 0.5, muted: true, solo: false } },
  loop: { from: 100, to: 900 },
  practice: { tempo: 0.75, key: -2 },
  seconds: 45.5,
}

test('a song is played as it was left', () => {
  savePlaying('a', played)
  expect(readPlaying('a')).toEqual(played)
  expect(readPlaying('b')).toEqual(UNPLAYED)
})

test('the songs that were played longest ago are forgotten', () => {
  for (let index = 0; index < 101; index += 1) savePlaying(`song ${index}`, played)
  savePlaying('song 1', { ...played, seconds: 7 })
  savePlaying('new', played)
  expect(readPlaying('song 0')).toEqual(UNPLAYED)
  expect(readPlaying('song 1').seconds).toBe(7)
  expect(readPlaying('song 2')).toEqual(UNPLAYED)
  expect(readPlaying('song 3')).toEqual(played)
})

test('what is not valid in the storage is replaced by defaults', () => {
  for (const text of ['', 'x', 'null', '[]', '{"a": 1}', '{"a": {"practice": {"tempo": 9, "key": "x"}, "loop": {"from": 5, "to": 2}}}']) {
    items.set('unbraid.playing', text)
    expect(readPlaying('a')).toEqual(UNPLAYED)
  }
})

test('without room in the storage, playing goes on', () => {
  vi.stubGlobal('localStorage', { getItem: () => null, setItem: () => { throw new Error('full') } }) // prettier-ignore
  expect(() => savePlaying('a', played)).not.toThrow()
})
