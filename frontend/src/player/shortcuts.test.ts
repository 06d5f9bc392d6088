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
  expect(['+', '=', '-', '0', 'o'].map((key) => commandOf(press(key))?.do)).toEqual(
    ['zoom in', 'zoom in', 'zoom out', 'zoom reset', 'original'],
  ) // prettier-ignore
  expect(commandOf(press('x'))).toBeNull()
})

test('a control that was clicked leaves Space and the arrows to the player, a text field does not', () => {
  const byKeyboard = false
  expect(usesKey({ tagName: 'BUTTON', role: null, byKeyboard }, ' ')).toBe(false)
  expect(usesKey({ tagName: 'INPUT', type: 'range', role: null, byKeyboard }, 'ArrowLeft')).toBe(false)
  expect(usesKey({ tagName: 'INPUT', type: 'email', role: null, byKeyboard }, ' ')).toBe(true)
})

test('keys with Ctrl, Meta or Alt are left to the browser', () => {
  for (const modifier of ['ctrlKey', 'metaKey', 'altKey']) expect(commandOf(press('l', { [modifier]: true }))).toBeNull()
})

test('a focused control keeps the keys that it uses', () => {
  const byKeyboard = true
  const button = { tagName: 'BUTTON', role: null, byKeyboard }
  expect(usesKey(button, ' ')).toBe(true)
  expect(usesKey(button, 'l')).toBe(false)
  expect(usesKey({ tagName: 'INPUT', type: 'range', role: null, byKeyboard }, 'ArrowLeft')).toBe(true)
  expect(usesKey({ tagName: 'INPUT', type: 'range', role: null, byKeyboard }, ' ')).toBe(false)
  expect(usesKey({ tagName: 'INPUT', type: 'email', role: null, byKeyboard }, 'l')).toBe(true)
  expect(usesKey({ tagName: 'SELECT', role: null, byKeyboard }, 'l')).toBe(true)
  expect(usesKey({ tagName: 'BODY', role: null, byKeyboard }, ' ')).toBe(false)
})
