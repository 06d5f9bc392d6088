/** Keyboard shortcuts while a song is open. */

/** Seconds that an arrow key moves the playhead, without and with Shift. */
export const SEEK_S = 5
export const FINE_SEEK_S = 1

export type Command =
  | { do: 'toggle' | 'start' | 'end' | 'loop' | 'loop start' | 'loop end' | 'help' }
  | { do: 'move'; seconds: number }
  | { do: 'mute' | 'solo'; stem: number } // stem: index

/** Keys and their descriptions, for the help dialog. */
export const SHORTCUTS: readonly (readonly [string, string])[] = [
  ['Space', 'Play or pause'],
  ['← →', `Back or forward ${SEEK_S} seconds, with Shift ${FINE_SEEK_S} second`],
  ['Home, End', 'Go to the beginning or the end'],
  ['[ ]', 'Set the start or the end of the loop'],
  ['L', 'Turn the loop on or off'],
  ['1 … 9', 'Mute stem 1 … 9, with Shift solo'],
  ['?', 'Show this list'],
]

interface KeyPress {
  key: string
  code: string
  shiftKey: boolean
  ctrlKey: boolean
  metaKey: boolean
  altKey: boolean
}

export function commandOf(press: KeyPress): Command | null {
  if (press.ctrlKey || press.metaKey || press.altKey) return null
  // By the key's code, as Shift changes the characters of the digit keys.
  const digit = /^(?:Digit|Numpad)([1-9])$/.exec(press.code)?.[1]
  if (digit !== undefined) return { do: press.shiftKey ? 'solo' : 'mute', stem: Number(digit) - 1 }
  switch (press.key) {
    case ' ':
      return { do: 'toggle' }
    case 'ArrowLeft':
      return { do: 'move', seconds: press.shiftKey ? -FINE_SEEK_S : -SEEK_S }
    case 'ArrowRight':
      return { do: 'move', seconds: press.shiftKey ? FINE_SEEK_S : SEEK_S }
    case 'Home':
      return { do: 'start' }
    case 'End':
      return { do: 'end' }
    case 'l':
    case 'L':
      return { do: 'loop' }
    case '[':
      return { do: 'loop start' }
    case ']':
      return { do: 'loop end' }
    case '?':
      return { do: 'help' }
    default:
      return null
  }
}

/** Whether the focused element itself uses this key. */
export function usesKey(element: { tagName: string; type?: string; role: string | null } | null, key: string): boolean {
  if (element === null) return false
  const { tagName, type = '', role } = element
  if (tagName === 'SELECT' || tagName === 'TEXTAREA') return true
  if (tagName === 'INPUT' && !['range', 'checkbox', 'button'].includes(type)) return true
  const arrows = key.startsWith('Arrow') || key === 'Home' || key === 'End'
  if (role === 'slider' || type === 'range') return arrows
  if (tagName === 'BUTTON' || tagName === 'A' || tagName === 'SUMMARY' || type === 'checkbox') return key === ' '
  return false
}
