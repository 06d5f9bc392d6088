import { type RefObject, useEffect, useRef } from 'react'

interface Drag {
  from: number
  to: number
  ended: boolean
}

/** Calls with the place under the pointer, 0 to 1, while it is pressed; `dragged` hears of movements instead. */
export function useScrub(
  pressed: (fraction: number) => void,
  dragged?: (drag: Drag) => void,
): RefObject<HTMLDivElement | null> {
  const element = useRef<HTMLDivElement>(null)
  const latest = useRef({ pressed, dragged })
  useEffect(() => {
    latest.current = { pressed, dragged }
  })
  useEffect(() => {
    const target = element.current
    if (target === null) return
    let start: number | null = null
    let moved = false
    const place = (event: PointerEvent) => {
      const box = target.getBoundingClientRect()
      return Math.max(0, Math.min(1, (event.clientX - box.left) / box.width))
    }
    const down = (event: PointerEvent) => {
      if (event.button !== 0 || (event.target as HTMLElement).closest('[role=slider].handle') !== null) return
      start = place(event)
      moved = false
      if (event.pointerType !== 'touch') target.setPointerCapture(event.pointerId)
      if (latest.current.dragged === undefined && event.pointerType !== 'touch') latest.current.pressed(start)
    }
    const move = (event: PointerEvent) => {
      if (start === null) return
      const now = place(event)
      moved ||= Math.abs(now - start) * target.clientWidth > 5
      if (!moved) return
      if (latest.current.dragged !== undefined) latest.current.dragged({ from: start, to: now, ended: false })
      else latest.current.pressed(now)
    }
    const up = (event: PointerEvent) => {
      if (start === null) return
      const now = place(event)
      if (!moved) latest.current.pressed(now)
      else latest.current.dragged?.({ from: start, to: now, ended: true })
      start = null
    }
    const cancel = () => {
      start = null // the page scrolls
    }
    target.addEventListener('pointerdown', down)
    target.addEventListener('pointermove', move)
    target.addEventListener('pointerup', up)
    target.addEventListener('pointercancel', cancel)
    return () => {
      target.removeEventListener('pointerdown', down)
      target.removeEventListener('pointermove', move)
      target.removeEventListener('pointerup', up)
      target.removeEventListener('pointercancel', cancel)
    }
  }, [])
  return element
}
