import { type RefObject, useEffect, useRef } from 'react'

/**
 * Pointer input on a timeline. Fractions are 0 to 1 of its width. `onSeek` follows the pressed pointer; with `onDrag`
 * it is called for clicks only, and `onDrag` for drags.
 */
export function useScrub(
  onSeek: (fraction: number) => void,
  onDrag?: (from: number, to: number) => void,
): RefObject<HTMLDivElement | null> {
  const element = useRef<HTMLDivElement>(null)
  const latest = useRef({ onSeek, onDrag })
  useEffect(() => {
    latest.current = { onSeek, onDrag }
  })
  useEffect(() => {
    const target = element.current
    if (target === null) return
    let start: number | null = null
    let moved = false
    const fractionAt = (event: PointerEvent) => {
      const box = target.getBoundingClientRect()
      return Math.max(0, Math.min(1, (event.clientX - box.left) / box.width))
    }
    const down = (event: PointerEvent) => {
      if (event.button !== 0 || (event.target as HTMLElement).closest('[role=slider].handle') !== null) return
      start = fractionAt(event)
      moved = false
      if (event.pointerType !== 'touch') target.setPointerCapture(event.pointerId)
      if (latest.current.onDrag === undefined && event.pointerType !== 'touch') latest.current.onSeek(start)
    }
    const move = (event: PointerEvent) => {
      if (start === null) return
      const now = fractionAt(event)
      moved ||= Math.abs(now - start) * target.clientWidth > 5
      if (!moved) return
      if (latest.current.onDrag !== undefined) latest.current.onDrag(start, now)
      else latest.current.onSeek(now)
    }
    const up = (event: PointerEvent) => {
      if (start === null) return
      const now = fractionAt(event)
      if (!moved) latest.current.onSeek(now)
      else latest.current.onDrag?.(start, now)
      start = null
    }
    const cancel = () => {
      start = null // the browser scrolls the page instead
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
