import { expect, test } from 'vitest'
import { commandOf, usesKey } from './shortcuts'

const press = (key: string, more: object = {}) => ({
  key, code: '', shiftKey: false, ctrlKey: false, metaKey: false, altKey: false, ...more,
}) // prettier-ignore

test('each key has its command', () => {
  expect(commandOf(press(' '))).toEqual({ do: 'toggle' })
  expect(commandOf(press('ArrowLeft'))).toEqual({ do: 'move', seconds: -5 })
  expect(commandOf(press('ArrowRight', { shiftKey: true }))).toEqual({ do: 'move', seconds: 1 })
  expect(commandOf(press('2', { code: 'Digit2' }))).toEqual({ do: 'mute', stem: 1 })
  expect(commandOf(press('"', { code: 'Digit2', shiftKey: true }))).toEqual({ do: 'solo', stem: 1 })
  expect(commandOf(press('x'))).toBeNull()
})

test('keys with Ctrl, Meta or Alt are left to the browser', () => {
  for (const modifier of ['ctrlKey', 'metaKey', 'altKey']) expect(commandOf(press('l', { [modifier]: true }))).toBeNull()
})

test('a focused control keeps the keys that it uses', () => {
  const button = { tagName: 'BUTTON', role: null }
  expect(usesKey(button, ' ')).toBe(true)
  expect(usesKey(button, 'l')).toBe(false)
  expect(usesKey({ tagName: 'INPUT', type: 'range', role: null }, 'ArrowLeft')).toBe(true)
  expect(usesKey({ tagName: 'INPUT', type: 'range', role: null }, ' ')).toBe(false)
  expect(usesKey({ tagName: 'INPUT', type: 'email', role: null }, 'l')).toBe(true)
  expect(usesKey({ tagName: 'SELECT', role: null }, 'l')).toBe(true)
  expect(usesKey({ tagName: 'BODY', role: null }, ' ')).toBe(false)
})
