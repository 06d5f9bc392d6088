/** The playhead and the time of a player. */
import { type RefObject, useEffect, useRef } from 'react'
import { formatTime } from '../lib/format'
import type { Engine } from '../player/engine'
import { contains, following, fractionOf, type View, wholeSongView } from '../player/view'
import { movePlayheads } from './playheads'

interface Playhead {
  /** The element with the rows of the timeline. */
  timeline: RefObject<HTMLDivElement | null>
  /** The element whose text is the time. */
  timeText: RefObject<HTMLSpanElement | null>
}

/**
 * Move the playhead with each frame by writing to the DOM directly, without rendering in React. When it leaves the view,
 * the view follows; a view that the user moved away from it stays.
 */
export function usePlayhead(engine: Engine, view?: View, setView?: (view: View) => void): Playhead {
  const timeline = useRef<HTMLDivElement>(null)
  const timeText = useRef<HTMLSpanElement>(null)
  useEffect(() => {
    const { sampleRate } = engine.layout
    const shown = view ?? wholeSongView(engine.layout)
    let frame = 0
    let last = -1
    let wasInside = contains(shown, engine.position)
    const onFrame = () => {
      frame = requestAnimationFrame(onFrame)
      const { position } = engine
      if (timeline.current !== null) movePlayheads(timeline.current, fractionOf(position, shown))
      if (position === last) return
      last = position
      const inside = contains(shown, position)
      if (wasInside && !inside) setView?.(following(shown, position, engine.layout))
      wasInside = inside
      const now = formatTime(position / sampleRate)
      if (timeText.current !== null && timeText.current.textContent !== now) timeText.current.textContent = now
    }
    onFrame()
    return () => cancelAnimationFrame(frame)
  }, [engine, view, setView])
  return { timeline, timeText }
}
