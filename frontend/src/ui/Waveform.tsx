/** The waveform of a stem, in front of and behind the playhead. */
import { useEffect, useRef } from 'react'
import { columns, type Level } from '../player/peaks'
import type { Loop } from '../player/schedule'
import { fractionOf, type View } from '../player/view'
import { paintCanvas } from './paintCanvas'
import { useMediaQuery } from './useMediaQuery'

interface Props {
  peaks: Level
  /** The finer waveform; undefined: not loaded. */
  fine?: Level | undefined
  /** Level at the full height, 0 to 1. */
  fullLevel: number
  view: View
}

export function Waveform(props: Props) {
  return (
    <>
      <Wave {...props} className="unplayed" />
      <Wave {...props} className="played" />
    </>
  )
}

/** The loop on a row of the timeline. */
export function LoopShade({ loop, view }: { loop: Loop; view: View }) {
  const [left, right] = [fractionOf(loop.from, view), fractionOf(loop.to, view)]
  if (right <= 0 || left >= 1) return null
  return <i className="loop-shade" style={{ left: `${left * 100}%`, width: `${(right - left) * 100}%` }} />
}

function Wave({ peaks, fine, fullLevel, view, className }: Props & { className: string }) {
  const canvas = useRef<HTMLCanvasElement>(null)
  const dark = useMediaQuery('(prefers-color-scheme: dark)')
  useEffect(() => {
    // The finer one only where it is: at a distance it would be slower and look the same.
    const level = fine !== undefined && (view.to - view.from) / peaks.samplesPerPair < MOST_COLUMNS ? fine : peaks
    return paintCanvas(canvas.current, (context, width, height, ratio) =>
      draw(context, width, height, ratio, level, fullLevel, view),
    )
  }, [peaks, fine, fullLevel, view, dark])
  return <canvas ref={canvas} className={className} />
}

const MOST_COLUMNS = 1300

function draw(
  context: CanvasRenderingContext2D,
  width: number,
  height: number,
  ratio: number,
  level: Level,
  fullLevel: number,
  view: View,
): void {
  const bar = 2 * ratio
  const gap = ratio
  const count = Math.max(1, Math.floor(width / (bar + gap)))
  const extremes = columns(level, view, count)
  const scale = fullLevel > 0 ? (height / 2 - ratio) / fullLevel : 0
  context.beginPath()
  for (let column = 0; column < count; column += 1) {
    // The square root keeps quiet passages visible.
    const peak = Math.max(-(extremes[2 * column] ?? 0), extremes[2 * column + 1] ?? 0)
    const half = Math.max(ratio * 0.75, Math.sqrt(peak * fullLevel) * scale)
    context.roundRect(column * (bar + gap), height / 2 - half, bar, 2 * half, ratio)
  }
  context.fill()
}
