import { describe, expect, it } from 'vitest'
import { placed, placeOf } from './paths'

describe('placeOf', () => {
  it('keeps the song and the stem of a path', () => {
    expect(placeOf('my-songs/First song/vocals.wav')).toBe('First song/vocals.wav')
    expect(placeOf('/First song/vocals.flac')).toBe('First song/vocals.flac')
  })

  it('puts loose files into one song, and leaves stem files alone', () => {
    expect(placeOf('vocals.wav')).toBe('Song/vocals.wav')
    expect(placeOf('my-songs/One.stem.mp4')).toBe('One.stem.mp4')
  })

  it('leaves out files that are not sounds', () => {
    expect(placeOf('my-songs/One/.DS_Store')).toBeNull()
    expect(placeOf('my-songs/One/notes.txt')).toBeNull()
    expect(placed([{ path: 'One/cover.jpg', file: new File([], 'cover.jpg') }])).toEqual([])
  })
})
