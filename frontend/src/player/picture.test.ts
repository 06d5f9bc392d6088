import { expect, test } from 'vitest'
import { correction, type Heard, startInVideo } from './picture'

/** The largest error after `settle` seconds, of a picture that follows a sound at these times and speeds. */
function follow(heardAt: (t: number) => Heard, seconds: number, settle: number): number {
  const step = 0.1
  let [picture, worst] = [0, 0]
  for (let t = 0; t < seconds; t += step) {
    const heard = heardAt(t)
    const { seek, rate } = correction(picture, heard)
    if (seek !== null) picture = seek
    if (t >= settle) worst = Math.max(worst, Math.abs(picture - heard.seconds))
    if (heard.playing) picture += rate * step * 1.002 // the clock of the video runs a little faster
  }
  return worst
}

test.each([0.5, 1, 1.5])('the picture follows the sound at tempo %f', (tempo) => {
  expect(follow((t) => ({ seconds: 0.25 + t * tempo, playing: true, tempo }), 60, 5)).toBeLessThan(0.06)
})

test('the picture follows a seek and a loop at once', () => {
  const loop = (t: number) => ({ seconds: 30 + (t % 4), playing: true, tempo: 1 })
  expect(follow(loop, 30, 0)).toBeLessThan(0.06)
})

test('a paused picture shows the place of the playhead', () => {
  expect(correction(3, { seconds: 7.5, playing: false, tempo: 1 })).toEqual({ seek: 7.5, rate: 1 })
  expect(correction(7.51, { seconds: 7.5, playing: false, tempo: 1 }).seek).toBeNull()
})

test('a part of a song starts inside its video', () => {
  expect(startInVideo(null, 100)).toBe(0)
  expect(startInVideo(65, 100)).toBe(65)
  expect(startInVideo(-30, 100)).toBe(70)
})
