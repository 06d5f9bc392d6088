import { useEffect, useRef } from 'react'
import { type Command, commandOf, usesKey } from '../player/shortcuts'
import { focusedByKeyboard } from './focus'
import { openShortcuts, shortcutsEnabled } from './shortcutSetting'

interface Actions {
  toggle: () => void
  move: (seconds: number) => void
  start: () => void
  end: () => void
  loop: () => void
  loopStart: () => void
  loopEnd: () => void
  original: () => void
  zoomIn: () => void
  zoomOut: () => void
  zoomReset: () => void
  mute: (stem: number) => void
  solo: (stem: number) => void
}

/**
 * Keyboard shortcuts of a player, as far as it has the actions. A focused control keeps the keys that it uses.
 * `hasKeys`: whether keys are for this player.
 */
export function useShortcuts(actions: Partial<Actions>, hasKeys: boolean): void {
  const latest = useRef({ actions, hasKeys })
  useEffect(() => {
    latest.current = { actions, hasKeys }
  })
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      const command = commandOf(event)
      const { actions, hasKeys } = latest.current
      if (command === null || event.defaultPrevented || document.querySelector('dialog[open]') !== null) return
      if (!shortcutsEnabled() || !hasKeys || usesKey(focusedElement(), event.key)) return
      const action = actionOf(command, actions)
      if (action === undefined) return
      event.preventDefault()
      action()
    }
    // Space presses a focused button when it is released, unless that is prevented too.
    const onKeyUp = (event: KeyboardEvent) => {
      const used = commandOf(event)?.do === 'toggle' && shortcutsEnabled() && !usesKey(focusedElement(), event.key)
      if (used && document.querySelector('dialog[open]') === null) event.preventDefault()
    }
    window.addEventListener('keydown', onKeyDown)
    window.addEventListener('keyup', onKeyUp)
    return () => {
      window.removeEventListener('keydown', onKeyDown)
      window.removeEventListener('keyup', onKeyUp)
    }
  }, [])
}

function actionOf(command: Command, actions: Partial<Actions>): (() => void) | undefined {
  const { move, mute, solo, loopStart, loopEnd, zoomIn, zoomOut, zoomReset } = actions
  switch (command.do) {
    case 'move':
      return move && (() => move(command.seconds))
    case 'mute':
      return mute && (() => mute(command.stem))
    case 'solo':
      return solo && (() => solo(command.stem))
    case 'loop start':
      return loopStart
    case 'loop end':
      return loopEnd
    case 'zoom in':
      return zoomIn
    case 'zoom out':
      return zoomOut
    case 'zoom reset':
      return zoomReset
    case 'help':
      return openShortcuts
    default:
      return actions[command.do]
  }
}

function focusedElement() {
  const element = document.activeElement as HTMLInputElement | null
  if (element === null) return null
  const { tagName, type } = element
  return { tagName, type, role: element.getAttribute('role'), byKeyboard: focusedByKeyboard() }
}
