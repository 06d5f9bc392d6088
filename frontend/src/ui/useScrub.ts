import { type RefObject, useEffect, useRef } from 'react'

/** Set on the timeline while two fingers zoom it. */
export const PINCHING = 'data-pinching'

const MOVED_PX = 5

/**
 * Pointer input on a row of a timeline. Fractions are 0 to 1 of its width. A click calls `onSeek`. A drag calls `onDrag`,
 * `exact` if Alt is held; without `onDrag` it calls `onSeek` all the way. `onCancel`: two fingers took over from a drag.
 */
export function useScrub(
  onSeek: (fraction: number) => void,
  onDrag?: (from: number, to: number, exact: boolean) => void,
  onCancel?: () => void,
): RefObject<HTMLDivElement | null> {
  const element = useRef<HTMLDivElement>(null)
  const latest = useRef({ onSeek, onDrag, onCancel })
  useEffect(() => {
    latest.current = { onSeek, onDrag, onCancel }
  })
  useEffect(() => {
    const target = element.current
    if (target === null) return
    let start: number | null = null
    let moved = false
    let restore: (() => void) | undefined
    const fractionAt = (event: PointerEvent) => {
      const box = target.getBoundingClientRect()
      return Math.max(0, Math.min(1, (event.clientX - box.left) / box.width))
    }
    const down = (event: PointerEvent) => {
      if (event.button !== 0 || !event.isPrimary) return
      if ((event.target as HTMLElement).closest('[role=slider].handle') !== null) return
      start = fractionAt(event)
      moved = false
      restore = latest.current.onCancel
      if (event.pointerType !== 'touch') target.setPointerCapture(event.pointerId)
      if (latest.current.onDrag === undefined && event.pointerType !== 'touch') latest.current.onSeek(start)
    }
    const move = (event: PointerEvent) => {
      if (start === null || !event.isPrimary) return
      if (target.closest(`[${PINCHING}]`) !== null) {
        if (moved) restore?.()
        start = null
        return
      }
      const now = fractionAt(event)
      moved ||= Math.abs(now - start) * target.clientWidth > MOVED_PX
      if (!moved) return
      if (latest.current.onDrag !== undefined) latest.current.onDrag(start, now, event.altKey)
      else latest.current.onSeek(now)
    }
    const up = (event: PointerEvent) => {
      if (start === null || !event.isPrimary) return
      const now = fractionAt(event)
      if (!moved && target.closest(`[${PINCHING}]`) === null) latest.current.onSeek(now)
      else if (moved) latest.current.onDrag?.(start, now, event.altKey)
      start = null
    }
    const cancel = () => {
      start = null // the browser scrolls the page instead
    }
    const listening = new AbortController()
    const { signal } = listening
    target.addEventListener('pointerdown', down, { signal })
    target.addEventListener('pointermove', move, { signal })
    target.addEventListener('pointerup', up, { signal })
    target.addEventListener('pointercancel', cancel, { signal })
    return () => listening.abort()
  }, [])
  return element
}
