import { useEffect, useRef } from 'react'
import { commandOf, usesKey } from '../player/shortcuts'
import { focusedByKeyboard, followFocus } from './focus'
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

/** Keyboard shortcuts of the open song. A focused control keeps the keys that it uses. */
export function useShortcuts(actions: Actions): void {
  const latest = useRef(actions)
  useEffect(() => {
    latest.current = actions
  })
  useEffect(followFocus, [])
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      const command = commandOf(event)
      if (command === null || event.defaultPrevented || document.querySelector('dialog[open]') !== null) return
      if (!shortcutsEnabled() || usesKey(focusedElement(), event.key)) return
      event.preventDefault()
      const actions = latest.current
      if (command.do === 'move') actions.move(command.seconds)
      else if (command.do === 'mute') actions.mute(command.stem)
      else if (command.do === 'solo') actions.solo(command.stem)
      else if (command.do === 'loop start') actions.loopStart()
      else if (command.do === 'loop end') actions.loopEnd()
      else if (command.do === 'zoom in') actions.zoomIn()
      else if (command.do === 'zoom out') actions.zoomOut()
      else if (command.do === 'zoom reset') actions.zoomReset()
      else if (command.do === 'help') openShortcuts()
      else actions[command.do]()
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

function focusedElement() {
  const element = document.activeElement as HTMLInputElement | null
  if (element === null) return null
  const { tagName, type } = element
  return { tagName, type, role: element.getAttribute('role'), byKeyboard: focusedByKeyboard() }
}
