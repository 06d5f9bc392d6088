/** The time scale above the lanes, with the playhead and the loop's handles. */
import { type KeyboardEvent, useEffect, useRef, useState } from 'react'
import { formatTime } from '../lib/format'
import type { Engine } from '../player/engine'
import { type Loop, loopBetween } from '../player/schedule'
import { FINE_SEEK_S, SEEK_S } from '../player/shortcuts'
import { LoopShade } from './Lane'
import { ticks } from './ticks'
import { useScrub } from './useScrub'

interface Props {
  engine: Engine
  loop: Loop | null
  setLoop: (loop: Loop | null) => void
}

export function Ruler({ engine, loop, setLoop }: Props) {
  const { layout } = engine
  const { samples, sampleRate } = layout
  const seconds = samples / sampleRate
  const slider = useRef<HTMLDivElement>(null)
  const [width, setWidth] = useState(600)
  const scale = useScrub(
    (fraction) => engine.seek(fraction * samples),
    (from, to) => setLoop(loopBetween(Math.round(from * samples), Math.round(to * samples), layout)),
  )

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
    const seek = event.shiftKey ? FINE_SEEK_S : SEEK_S
    const steps: Record<string, number> = {
      ArrowLeft: -seek, ArrowDown: -SEEK_S, PageDown: -30,
      ArrowRight: seek, ArrowUp: SEEK_S, PageUp: 30,
      Home: -seconds, End: seconds,
    } // prettier-ignore
    const step = steps[event.key]
    if (step === undefined) return
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
        {ticks(seconds, width).map((second) => (
          <span key={second} className="tick" style={{ left: `${(second / seconds) * 100}%` }}>
            {formatTime(second)}
          </span>
        ))}
        {loop !== null && (
          <>
            <LoopShade loop={loop} samples={samples} />
            <Handle end="from" loop={loop} engine={engine} setLoop={setLoop} />
            <Handle end="to" loop={loop} engine={engine} setLoop={setLoop} />
          </>
        )}
        <i className="playhead" />
      </div>
    </div>
  )
}

interface HandleProps extends Props {
  end: 'from' | 'to'
  loop: Loop
}

function Handle({ end, loop, engine, setLoop }: HandleProps) {
  const { layout } = engine
  const { samples, sampleRate } = layout
  const position = loop[end]
  const moveTo = (target: number) => setLoop(end === 'from' ? ordered(target, loop.to) : ordered(loop.from, target))
  const ordered = (from: number, to: number) => (from < to ? loopBetween(from, to, layout) : loop)
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
      style={{ left: `${(position / samples) * 100}%` }}
      onKeyDown={(event) => {
        const step = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key]
        if (step === undefined) return
        event.preventDefault()
        moveTo(Math.round(position + step * (event.shiftKey ? 0.1 : 1) * sampleRate))
      }}
      onPointerDown={(event) => {
        event.stopPropagation()
        event.currentTarget.setPointerCapture(event.pointerId)
      }}
      onPointerMove={(event) => {
        const scale = event.currentTarget.parentElement
        if (scale === null || !event.currentTarget.hasPointerCapture(event.pointerId)) return
        const box = scale.getBoundingClientRect()
        moveTo(Math.round(Math.max(0, Math.min(1, (event.clientX - box.left) / box.width)) * samples))
      }}
    />
  )
}
