/** What each key does while a song is open. */

export type Command =
  | { do: 'toggle' | 'start' | 'end' | 'loop' | 'loop from' | 'loop to' | 'help' }
  | { do: 'move'; seconds: number }
  | { do: 'mute' | 'solo'; stem: number }

export const KEYS: readonly (readonly [string, string])[] = [
  ['Space', 'Play or pause'],
  ['← →', 'Back or on by 5 seconds; with Shift by 1'],
  ['Home, End', 'To the beginning, to the end'],
  ['[ ]', 'Loop from here, loop to here'],
  ['L', 'Loop on or off'],
  ['1 … 9', 'Mute the first … ninth stem; with Shift solo'],
  ['?', 'This list'],
]

interface Press {
  key: string
  code: string
  shiftKey: boolean
  ctrlKey: boolean
  metaKey: boolean
  altKey: boolean
}

export function commandOf(press: Press): Command | null {
  if (press.ctrlKey || press.metaKey || press.altKey) return null
  // by the key's place, as Shift makes other characters of the digits
  const digit = /^(?:Digit|Numpad)([1-9])$/.exec(press.code)?.[1]
  if (digit !== undefined) return { do: press.shiftKey ? 'solo' : 'mute', stem: Number(digit) - 1 }
  switch (press.key) {
    case ' ':
      return { do: 'toggle' }
    case 'ArrowLeft':
      return { do: 'move', seconds: press.shiftKey ? -1 : -5 }
    case 'ArrowRight':
      return { do: 'move', seconds: press.shiftKey ? 1 : 5 }
    case 'Home':
      return { do: 'start' }
    case 'End':
      return { do: 'end' }
    case 'l':
    case 'L':
      return { do: 'loop' }
    case '[':
      return { do: 'loop from' }
    case ']':
      return { do: 'loop to' }
    case '?':
      return { do: 'help' }
    default:
      return null
  }
}

/** Whether the element that has the focus wants this key for itself. */
export function isTaken(element: { tagName: string; type?: string; role: string | null } | null, key: string): boolean {
  if (element === null) return false
  const { tagName, type = '', role } = element
  if (tagName === 'SELECT' || tagName === 'TEXTAREA') return true
  if (tagName === 'INPUT' && !['range', 'checkbox', 'button'].includes(type)) return true
  const arrows = key.startsWith('Arrow') || key === 'Home' || key === 'End'
  if (role === 'slider' || type === 'range') return arrows
  if (tagName === 'BUTTON' || tagName === 'A' || tagName === 'SUMMARY' || type === 'checkbox') return key === ' '
  return false
}
