import { expect, test } from 'vitest'
import { downloadUrl } from './dragOut'

test('a dragged file has its type, name and address', () => {
  expect(downloadUrl('Song - vocals.flac', 'https://a.example/x?y')).toBe('audio/flac:Song - vocals.flac:https://a.example/x?y')
  expect(downloadUrl('1:2.WAV', 'https://a.example')).toBe('audio/wav:1-2.WAV:https://a.example')
  expect(downloadUrl('odd', 'https://a.example')).toBe('application/octet-stream:odd:https://a.example')
})
