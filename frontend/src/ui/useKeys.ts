import { useEffect, useRef } from 'react'
import { commandOf, isTaken } from '../player/keys'
import { keysAreOn, openKeys } from './keys'

interface Actions {
  toggle: () => void
  move: (seconds: number) => void
  start: () => void
  end: () => void
  loop: () => void
  loopFrom: () => void
  loopTo: () => void
  mute: (stem: number) => void
  solo: (stem: number) => void
}

/** Keys of the open song, wherever the focus is, unless what has it wants them for itself. */
export function useKeys(actions: Actions): void {
  const latest = useRef(actions)
  useEffect(() => {
    latest.current = actions
  })
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      const command = commandOf(event)
      const focus = document.activeElement as HTMLInputElement | null
      if (command === null || event.defaultPrevented || document.querySelector('dialog[open]') !== null) return
      if (!keysAreOn() || isTaken(focus && tagged(focus), event.key)) return
      event.preventDefault()
      const act = latest.current
      if (command.do === 'move') act.move(command.seconds)
      else if (command.do === 'mute') act.mute(command.stem)
      else if (command.do === 'solo') act.solo(command.stem)
      else if (command.do === 'loop from') act.loopFrom()
      else if (command.do === 'loop to') act.loopTo()
      else if (command.do === 'help') openKeys()
      else act[command.do]()
    }
    window.addEventListener('keydown', press)
    return () => window.removeEventListener('keydown', press)
  }, [])
}

function tagged(element: HTMLInputElement) {
  return { tagName: element.tagName, type: element.type, role: element.getAttribute('role') }
}
