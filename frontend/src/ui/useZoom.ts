/** Zoom of the timeline by wheel and by two fingers. */
import { type RefObject, useEffect, useRef } from 'react'
import type { Layout } from '../player/peaks'
import { panned, type View, zoomed } from '../player/view'
import { PINCHING } from './useScrub'

/** A notch of a mouse wheel, 100 px, zooms by a fifth. */
const WHEEL_STEP = 0.002
const LINE_PX = 16

/**
 * With Ctrl or Cmd, or two fingers on a touchpad, the wheel zooms where the pointer is. Sideways it moves the view. On a
 * touch screen two fingers do both. Everything else scrolls the page.
 */
export function useZoom(
  timeline: RefObject<HTMLElement | null>,
  layout: Layout,
  view: View,
  setView: (view: View) => void,
): void {
  const latest = useRef({ layout, view, setView })
  useEffect(() => {
    latest.current = { layout, view, setView }
  })
  useEffect(() => {
    const element = timeline.current
    if (element === null) return
    const change = (next: View) => {
      latest.current.view = next // more events may come before the next render
      latest.current.setView(next)
    }
    const fingers = new Map<number, PointerEvent>()
    const rowOf = (target: EventTarget | null) => (target as HTMLElement | null)?.closest('.wave, .scale') ?? null

    const wheel = (event: WheelEvent) => {
      const { view, layout } = latest.current
      const row = rowOf(event.target)
      if (row === null) return
      const box = row.getBoundingClientRect()
      const px = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? LINE_PX : 1
      const sideways = event.shiftKey && event.deltaX === 0 ? event.deltaY : event.deltaX
      if (event.ctrlKey || event.metaKey) {
        event.preventDefault()
        const fraction = (event.clientX - box.left) / box.width
        change(zoomed(view, Math.exp(-event.deltaY * px * WHEEL_STEP), fraction, layout))
      } else if (Math.abs(sideways) > Math.abs(event.deltaY) || event.shiftKey) {
        const next = panned(view, (sideways * px) / box.width, layout)
        if (next.from === view.from) return // all of the song is in view
        event.preventDefault()
        change(next)
      }
    }
    const down = (event: PointerEvent) => {
      if (event.pointerType !== 'touch' || rowOf(event.target) === null) return
      fingers.set(event.pointerId, event)
      if (fingers.size === 2) element.setAttribute(PINCHING, '')
    }
    const move = (event: PointerEvent) => {
      const before = fingers.get(event.pointerId)
      if (before === undefined) return
      fingers.set(event.pointerId, event)
      const other = [...fingers.values()].find((finger) => finger.pointerId !== event.pointerId)
      const row = rowOf(event.target)
      if (other === undefined || row === null || fingers.size !== 2) return
      const box = row.getBoundingClientRect()
      const { view, layout } = latest.current
      const [wasApart, apart] = [before, event].map((finger) => Math.max(20, Math.abs(finger.clientX - other.clientX)))
      const middle = (finger: PointerEvent) => ((finger.clientX + other.clientX) / 2 - box.left) / box.width
      const closer = zoomed(view, (apart ?? 1) / (wasApart ?? 1), middle(before), layout)
      change(panned(closer, middle(before) - middle(event), layout))
    }
    const up = (event: PointerEvent) => {
      fingers.delete(event.pointerId)
      // After the row itself has seen that the finger is gone.
      if (fingers.size === 0) setTimeout(() => element.removeAttribute(PINCHING))
    }
    const listening = new AbortController()
    const { signal } = listening
    element.addEventListener('wheel', wheel, { passive: false, signal })
    element.addEventListener('pointerdown', down, { signal })
    element.addEventListener('pointermove', move, { signal })
    element.addEventListener('pointerup', up, { signal })
    element.addEventListener('pointercancel', up, { signal })
    return () => listening.abort()
  }, [timeline])
}
