/** A stem of a song that is being separated: its channel of the mixer, and its waveform so far. */
import { useEffect, useRef } from 'react'
import { stemClass, stemName } from '../lib/stems'
import { isSilent, type Mix } from '../player/mixer'
import { columns } from '../player/peaks'
import { ChannelControls } from './ChannelControls'
import { useMediaQuery } from './useMediaQuery'
import { useScrub } from './useScrub'

interface Props {
  stem: string
  /** Minimum and maximum of equally long stretches, as far as the stem exists. */
  peaks: Float32Array
  /** Share of the song that exists. */
  ready: number
  /** Level at the full height of the lane, 0 to 1. */
  fullLevel: number
  mix: Mix
  setMix: (mix: Mix) => void
  /** Fraction of the song, 0 to 1. */
  onSeek: (fraction: number) => void
}

export function GrowingLane({ stem, peaks, ready, fullLevel, mix, setMix, onSeek }: Props) {
  const name = stemName(stem)
  const wave = useScrub(onSeek)
  const canvas = useRef<HTMLCanvasElement>(null)
  const dark = useMediaQuery('(prefers-color-scheme: dark)')
  useEffect(() => {
    const element = canvas.current
    if (element === null) return
    const paint = () => draw(element, peaks, ready, fullLevel)
    paint()
    const observer = new ResizeObserver(paint)
    observer.observe(element)
    return () => observer.disconnect()
  }, [peaks, ready, fullLevel, dark])
  return (
    <div className={`growing-lane lane ${stemClass(stem)}${isSilent(stem, mix, {}) ? ' silent' : ''}`} role="group" aria-label={name}>
      <ChannelControls channel={stem} name={name} mix={mix} setMix={setMix}>
        {name}
      </ChannelControls>
      <div className="wave" ref={wave} aria-hidden="true">
        <canvas ref={canvas} />
        <i className="playhead" />
      </div>
    </div>
  )
}

/** Draw the bars of what exists from the left, and dots for the rest of the song. */
function draw(canvas: HTMLCanvasElement, peaks: Float32Array, ready: number, fullLevel: number): void {
  const context = canvas.getContext('2d')
  if (context === null) return
  const ratio = window.devicePixelRatio || 1
  const [width, height] = [Math.round(canvas.clientWidth * ratio), Math.round(canvas.clientHeight * ratio)]
  canvas.width = width
  canvas.height = height
  context.fillStyle = getComputedStyle(canvas).color
  const [bar, gap] = [2 * ratio, ratio]
  const count = Math.max(1, Math.floor(width / (bar + gap)))
  const known = Math.round(count * ready)
  const extremes = columns({ pairs: peaks, samplesPerPair: 1 }, { from: 0, to: peaks.length / 2 }, known)
  const scale = fullLevel > 0 ? (height / 2 - ratio) / fullLevel : 0
  for (let column = 0; column < count; column += 1) {
    const level = column < known ? Math.max(-(extremes[2 * column] ?? 0), extremes[2 * column + 1] ?? 0) : 0
    const half = Math.max(ratio * 0.75, Math.sqrt(level * fullLevel) * scale) // the root keeps quiet passages visible
    context.globalAlpha = column < known ? 1 : 0.25
    context.beginPath()
    context.roundRect(column * (bar + gap), height / 2 - half, bar, 2 * half, ratio)
    context.fill()
  }
}
