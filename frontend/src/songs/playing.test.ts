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
  mix: { vocals: { volume: 0.5, muted: true, solo: false, pan: -0.3 } },
  loop: { from: 100, to: 900, name: 'Chorus' },
  practice: { tempo: 0.75, key: -2 },
  tools: {
    loops: [{ from: 100, to: 900, name: 'Chorus' }],
    click: { volume: 0.7, muted: false, solo: true, pan: 1 },
    countIn: true,
    snap: false,
    view: { from: 50, to: 1000.5 },
  },
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

test('a song that was stored by an older version has the defaults of what is new', () => {
  items.set('unbraid.playing', '{"a": {"mix": {"vocals": {"volume": 0.5, "muted": true, "solo": false}}, "seconds": 3}}')
  const song = readPlaying('a')
  expect(song.mix.vocals).toEqual({ volume: 0.5, muted: true, solo: false, pan: 0 })
  expect(song.tools).toEqual(UNPLAYED.tools)
})

test('what is not valid in the storage is replaced by defaults', () => {
  for (const text of ['', 'x', 'null', '[]', '{"a": 1}', '{"a": {"practice": {"tempo": 9, "key": "x"}, "loop": {"from": 5, "to": 2}, "tools": {"loops": [{"from": 1, "to": 2}, 7], "view": [], "click": {"pan": 3}}}}']) {
    items.set('unbraid.playing', text)
    expect(readPlaying('a')).toEqual(UNPLAYED)
  }
})

test('without room in the storage, playing goes on', () => {
  vi.stubGlobal('localStorage', { getItem: () => null, setItem: () => { throw new Error('full') } }) // prettier-ignore
  expect(() => savePlaying('a', played)).not.toThrow()
})
