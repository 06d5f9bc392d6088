import { useEffect, useRef } from 'react'
import { commandOf, usesKey } from '../player/shortcuts'
import { openShortcuts, shortcutsEnabled } from './shortcutSetting'

interface Actions {
  toggle: () => void
  move: (seconds: number) => void
  start: () => void
  end: () => void
  loop: () => void
  loopStart: () => void
  loopEnd: () => void
  mute: (stem: number) => void
  solo: (stem: number) => void
}

/** Keyboard shortcuts of the open song. A focused control keeps the keys that it uses. */
export function useShortcuts(actions: Actions): void {
  const latest = useRef(actions)
  useEffect(() => {
    latest.current = actions
  })
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
      else if (command.do === 'help') openShortcuts()
      else actions[command.do]()
    }
    window.addEventListener('keydown', onKeyDown)
    return () => window.removeEventListener('keydown', onKeyDown)
  }, [])
}

function focusedElement() {
  const element = document.activeElement as HTMLInputElement | null
  return element && { tagName: element.tagName, type: element.type, role: element.getAttribute('role') }
}
