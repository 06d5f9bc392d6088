/** The whole song in one row, with the part in view. It moves the view like a scroll bar. */
import { type KeyboardEvent, type PointerEvent, useMemo, useRef } from 'react'
import { formatTime } from '../lib/format'
import type { Engine } from '../player/engine'
import { combined } from '../player/peaks'
import { contains, fractionOf, isWhole, panned, sampleAt, type View, wholeSongView } from '../player/view'
import type { Stem } from './usePlayer'
import { Waveform } from './Waveform'

interface Props {
  engine: Engine
  stems: readonly Stem[]
  fullLevel: number
  view: View
  setView: (view: View) => void
}

export function Overview({ engine, stems, fullLevel, view, setView }: Props) {
  const { layout } = engine
  const grabbed = useRef(0)
  const whole = useMemo(() => wholeSongView(layout), [layout])
  const all = useMemo(() => combined(stems.map((stem) => stem.peaks)), [stems])
  if (isWhole(view, layout) || all === null) return null
  const [from, to] = [fractionOf(view.from, whole), fractionOf(view.to, whole)]
  const time = (position: number) => formatTime(position / layout.sampleRate)

  const moveTo = (start: number) => setView(panned({ from: 0, to: view.to - view.from }, start / (view.to - view.from), layout))
  const placeOf = (event: PointerEvent<HTMLDivElement>) => {
    const box = event.currentTarget.getBoundingClientRect()
    return sampleAt((event.clientX - box.left) / box.width, whole)
  }
  const onKeyDown = (event: KeyboardEvent) => {
    const shares: Record<string, number> = {
      ArrowLeft: -0.25, ArrowDown: -0.25, PageDown: -0.9, Home: -1e6,
      ArrowRight: 0.25, ArrowUp: 0.25, PageUp: 0.9, End: 1e6,
    } // prettier-ignore
    const share = shares[event.key]
    if (share === undefined) return
    event.preventDefault()
    setView(panned(view, share, layout))
  }
  return (
    <div
      className="overview"
      role="slider"
      tabIndex={0}
      aria-label="Part of the song in view"
      aria-valuemin={0}
      aria-valuemax={Math.round(layout.samples / layout.sampleRate)}
      aria-valuenow={Math.round(view.from / layout.sampleRate)}
      aria-valuetext={`${time(view.from)} to ${time(view.to)}`}
      onKeyDown={onKeyDown}
      onPointerDown={(event) => {
        if (event.button !== 0) return
        event.currentTarget.setPointerCapture(event.pointerId)
        const place = placeOf(event)
        grabbed.current = contains(view, place) ? place - view.from : (view.to - view.from) / 2
        moveTo(place - grabbed.current)
      }}
      onPointerMove={(event) => {
        if (event.currentTarget.hasPointerCapture(event.pointerId)) moveTo(placeOf(event) - grabbed.current)
      }}
    >
      <Waveform peaks={all} fullLevel={fullLevel} view={whole} />
      <i className="window" style={{ left: `${from * 100}%`, width: `${(to - from) * 100}%` }} />
    </div>
  )
}
