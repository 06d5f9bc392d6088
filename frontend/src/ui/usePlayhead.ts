/** The playhead and the time of a player. */
import { type RefObject, useEffect, useRef } from 'react'
import { formatTime } from '../lib/format'
import type { Engine } from '../player/engine'

interface Playhead {
  /** The element whose style property `--playhead` is the position, from 0 to 1. */
  timeline: RefObject<HTMLDivElement | null>
  /** The element whose text is the time. */
  timeText: RefObject<HTMLSpanElement | null>
}

/** Move the playhead 60 times a second by writing to the DOM directly, without rendering in React. */
export function usePlayhead(engine: Engine): Playhead {
  const timeline = useRef<HTMLDivElement>(null)
  const timeText = useRef<HTMLSpanElement>(null)
  useEffect(() => {
    const { samples, sampleRate } = engine.layout
    let frame = 0
    let last = -1
    const onFrame = () => {
      frame = requestAnimationFrame(onFrame)
      const { position } = engine
      if (position === last) return
      last = position
      timeline.current?.style.setProperty('--playhead', String(position / samples))
      const now = formatTime(position / sampleRate)
      if (timeText.current !== null && timeText.current.textContent !== now) timeText.current.textContent = now
    }
    onFrame()
    return () => cancelAnimationFrame(frame)
  }, [engine])
  return { timeline, timeText }
}
