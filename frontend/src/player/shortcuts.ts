/** Keyboard shortcuts of the players: of an open song, and of one that is being separated. */

/** Seconds that an arrow key moves the playhead, without and with Shift. */
const SEEK_S = 5
const FINE_SEEK_S = 1
const PAGE_S = 30

export type Command =
  | { do: 'toggle' | 'start' | 'end' | 'loop' | 'loop start' | 'loop end' | 'original' | 'zoom in' | 'zoom out' | 'zoom reset' | 'help' }
  | { do: 'move'; seconds: number }
  | { do: 'mute' | 'solo'; stem: number } // stem: index

/** Keys and their descriptions, for the help dialog. */
export const SHORTCUTS: readonly (readonly [string, string])[] = [
  ['Space', 'Play or pause'],
  ['← →', `Back or forward ${SEEK_S} seconds, with Shift ${FINE_SEEK_S} second`],
  ['Home, End', 'Go to the beginning or the end'],
  ['[ ]', 'Set the start or the end of the loop'],
  ['L', 'Turn the loop on or off'],
  ['O', 'Hear the original, and your mix again'],
  ['+ −', 'Zoom in or out'],
  ['0', 'Show the whole song'],
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
    case 'o':
    case 'O':
      return { do: 'original' }
    case '+':
    case '=':
      return { do: 'zoom in' }
    case '-':
    case '_':
      return { do: 'zoom out' }
    case '0':
      return { do: 'zoom reset' }
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

/** Seconds that a key moves a focused slider of the playhead; null: it doesn't. */
export function sliderStep({ key, shiftKey }: Pick<KeyPress, 'key' | 'shiftKey'>, songSeconds: number): number | null {
  const seek = shiftKey ? FINE_SEEK_S : SEEK_S
  const steps: Record<string, number> = {
    ArrowLeft: -seek, ArrowDown: -SEEK_S, PageDown: -PAGE_S, Home: -songSeconds,
    ArrowRight: seek, ArrowUp: SEEK_S, PageUp: PAGE_S, End: songSeconds,
  } // prettier-ignore
  return steps[key] ?? null
}

interface Focused {
  tagName: string
  type?: string
  role: string | null
  /** Focused by the keyboard, not by a click or touch. */
  byKeyboard: boolean
}

/**
 * Whether the focused element itself uses this key. After a click on a button or slider, Space and the arrows still play
 * and seek; someone who moves with Tab can press the button and move the slider.
 */
export function usesKey(element: Focused | null, key: string): boolean {
  if (element === null) return false
  const { tagName, type = '', role, byKeyboard } = element
  if (tagName === 'SELECT' || tagName === 'TEXTAREA') return true
  if (tagName === 'INPUT' && !['range', 'checkbox', 'button'].includes(type)) return true
  if (!byKeyboard) return false
  const arrows = key.startsWith('Arrow') || key === 'Home' || key === 'End'
  if (role === 'slider' || type === 'range') return arrows
  if (tagName === 'BUTTON' || tagName === 'A' || tagName === 'SUMMARY' || type === 'checkbox') return key === ' '
  return false
}
