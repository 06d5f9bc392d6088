import { expect, test } from 'vitest'
import { commandOf, isTaken } from './keys'

const press = (key: string, more: object = {}) => ({
  key, code: '', shiftKey: false, ctrlKey: false, metaKey: false, altKey: false, ...more,
}) // prettier-ignore

test('keys do what the list says', () => {
  expect(commandOf(press(' '))).toEqual({ do: 'toggle' })
  expect(commandOf(press('ArrowLeft'))).toEqual({ do: 'move', seconds: -5 })
  expect(commandOf(press('ArrowRight', { shiftKey: true }))).toEqual({ do: 'move', seconds: 1 })
  expect(commandOf(press('2', { code: 'Digit2' }))).toEqual({ do: 'mute', stem: 1 })
  expect(commandOf(press('"', { code: 'Digit2', shiftKey: true }))).toEqual({ do: 'solo', stem: 1 })
  expect(commandOf(press('x'))).toBeNull()
})

test("the browser's own shortcuts are left alone", () => {
  for (const held of ['ctrlKey', 'metaKey', 'altKey']) expect(commandOf(press('l', { [held]: true }))).toBeNull()
})

test('what has the focus keeps the keys that it needs', () => {
  const button = { tagName: 'BUTTON', role: null }
  expect(isTaken(button, ' ')).toBe(true)
  expect(isTaken(button, 'l')).toBe(false)
  expect(isTaken({ tagName: 'INPUT', type: 'range', role: null }, 'ArrowLeft')).toBe(true)
  expect(isTaken({ tagName: 'INPUT', type: 'range', role: null }, ' ')).toBe(false)
  expect(isTaken({ tagName: 'INPUT', type: 'email', role: null }, 'l')).toBe(true)
  expect(isTaken({ tagName: 'SELECT', role: null }, 'l')).toBe(true)
  expect(isTaken({ tagName: 'BODY', role: null }, ' ')).toBe(false)
})
