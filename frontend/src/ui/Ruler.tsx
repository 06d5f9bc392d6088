/** The time scale above the lanes, with the playhead and the loop's handles. */
import { type KeyboardEvent, useEffect, useRef, useState } from 'react'
import { formatTime } from '../lib/format'
import { neighbourBeat, snapped } from '../player/beats'
import { type Loop, loopBetween } from '../player/schedule'
import { sliderStep } from '../player/shortcuts'
import { fractionOf, sampleAt } from '../player/view'
import { ticks } from './ticks'
import { type Timeline, useTimelinePointer } from './timeline'
import { LoopShade } from './Waveform'

export function Ruler({ timeline }: { timeline: Timeline }) {
  const { engine, view, loop } = timeline
  const { layout } = engine
  const { samples, sampleRate } = layout
  const seconds = samples / sampleRate
  const slider = useRef<HTMLDivElement>(null)
  const [width, setWidth] = useState(600)
  const scale = useTimelinePointer(timeline)

  useEffect(() => {
    const element = scale.current
    if (element === null) return
    const observer = new ResizeObserver(() => setWidth(element.clientWidth))
    observer.observe(element)
    return () => observer.disconnect()
  }, [scale])

  useEffect(() => {
    const update = () => {
      const now = engine.position / sampleRate
      slider.current?.setAttribute('aria-valuenow', now.toFixed(1))
      slider.current?.setAttribute('aria-valuetext', `${formatTime(now)} of ${formatTime(seconds)}`)
    }
    update()
    const timer = setInterval(update, 250)
    return () => clearInterval(timer)
  }, [engine, sampleRate, seconds])

  const move = (event: KeyboardEvent) => {
    const step = sliderStep(event, seconds)
    if (step === null) return
    event.preventDefault()
    engine.seek(engine.position + step * sampleRate)
  }

  return (
    <div className="ruler">
      <div className="scale" ref={scale}>
        <div
          ref={slider}
          className="playhead-slider"
          role="slider"
          tabIndex={0}
          aria-label="Playhead"
          aria-valuemin={0}
          aria-valuemax={Math.round(seconds * 10) / 10}
          aria-valuenow={0}
          onKeyDown={move}
        />
        {ticks(view.from / sampleRate, view.to / sampleRate, width).map((second) => (
          <span key={second} className="tick" style={{ left: `${fractionOf(second * sampleRate, view) * 100}%` }}>
            {formatTime(second)}
          </span>
        ))}
        {loop !== null && (
          <>
            <LoopShade loop={loop} view={view} />
            <Handle end="from" loop={loop} timeline={timeline} />
            <Handle end="to" loop={loop} timeline={timeline} />
          </>
        )}
        <i className="playhead" />
      </div>
    </div>
  )
}

interface HandleProps {
  end: 'from' | 'to'
  loop: Loop
  timeline: Timeline
}

/** One end of the loop. It goes from beat to beat unless Alt is held. */
function Handle({ end, loop, timeline: { engine, view, snap, setLoop } }: HandleProps) {
  const { layout, beats } = engine
  const { samples, sampleRate } = layout
  const position = loop[end]
  const fraction = fractionOf(position, view)
  const moveTo = (target: number, exact: boolean) => {
    const [from, to] = end === 'from' ? [target, loop.to] : [loop.from, target]
    if (from >= to) return
    const next = { ...loop, ...loopBetween(from, to, layout) }
    if (!snap || exact) setLoop?.(next)
    else setLoop?.({ ...next, [end]: snapped(next, beats, layout)[end] })
  }
  const step = (direction: number, fine: boolean) => {
    const seconds = position / sampleRate
    if (snap && !fine) moveTo(Math.round(neighbourBeat(beats, seconds, direction) * sampleRate), true)
    else moveTo(Math.round(position + direction * (fine ? 0.1 : 1) * sampleRate), true)
  }
  return (
    <div
      className={`handle ${end}`}
      role="slider"
      tabIndex={0}
      aria-label={end === 'from' ? 'Loop start' : 'Loop end'}
      aria-valuemin={0}
      aria-valuemax={Math.round(samples / sampleRate)}
      aria-valuenow={Math.round(position / sampleRate)}
      aria-valuetext={formatTime(position / sampleRate)}
      style={{ left: `${Math.max(-0.1, Math.min(1.1, fraction)) * 100}%` }}
      hidden={fraction < 0 || fraction > 1}
      onKeyDown={(event) => {
        const direction = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key]
        if (direction === undefined) return
        event.preventDefault()
        step(direction, event.shiftKey)
      }}
      onPointerDown={(event) => {
        event.stopPropagation()
        event.currentTarget.setPointerCapture(event.pointerId)
      }}
      onPointerMove={(event) => {
        const scale = event.currentTarget.parentElement
        if (scale === null || !event.currentTarget.hasPointerCapture(event.pointerId)) return
        const box = scale.getBoundingClientRect()
        const place = Math.max(0, Math.min(1, (event.clientX - box.left) / box.width))
        moveTo(sampleAt(place, view), event.altKey)
      }}
    />
  )
}
