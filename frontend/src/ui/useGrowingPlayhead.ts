/** The playhead, the time and the slider of a song that is being separated. */
import { type RefObject, useEffect, useRef } from 'react'
import { formatTime } from '../lib/format'
import type { GrowingPlayer } from '../player/growing'
import { movePlayheads } from './playheads'

interface Playhead {
  /** The element with the lanes. */
  timeline: RefObject<HTMLDivElement | null>
  /** The element whose text is the time. */
  timeText: RefObject<HTMLSpanElement | null>
  slider: RefObject<HTMLInputElement | null>
}

/** Move the playhead with each frame by writing to the DOM directly, without rendering in React. */
export function useGrowingPlayhead(player: GrowingPlayer | null, duration: number | null): Playhead {
  const timeline = useRef<HTMLDivElement>(null)
  const timeText = useRef<HTMLSpanElement>(null)
  const slider = useRef<HTMLInputElement>(null)
  useEffect(() => {
    if (player === null || duration === null) return
    let frame = 0
    const onFrame = () => {
      frame = requestAnimationFrame(onFrame)
      const { seconds } = player
      if (timeline.current !== null) movePlayheads(timeline.current, Math.min(1, seconds / duration))
      const now = formatTime(seconds)
      if (timeText.current !== null && timeText.current.textContent !== now) timeText.current.textContent = now
      const input = slider.current
      if (input === null || input.matches(':active')) return
      const value = String(Math.round(seconds * 10) / 10)
      if (input.value !== value) input.value = value
      if (input.getAttribute('aria-valuetext') !== now) input.setAttribute('aria-valuetext', now)
    }
    onFrame()
    return () => cancelAnimationFrame(frame)
  }, [player, duration])
  return { timeline, timeText, slider }
}
