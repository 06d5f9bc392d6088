import { expect, test } from 'vitest'
import { choicesFor } from './choices'

const CHOICES = { model: 'auto', stems: 'all', format: 'wav', video: true, notify: '' }

test('a video is only made from a whole video', () => {
  expect(choicesFor({ name: 'a.mp3', type: '' }, CHOICES).video).toBe(false)
  expect(choicesFor({ name: 'a', type: 'video/' }, CHOICES).video).toBe(true)
  expect(choicesFor({ name: 'a.mp4', type: '' }, { ...CHOICES, start: '1:05' }).video).toBe(false)
})

test('invalid times are left out', () => {
  expect(choicesFor({ name: 'a.mp3', type: '' }, { ...CHOICES, start: 'x', end: '1:05' })).toEqual({ ...CHOICES, video: false, end: '1:05' })
})
