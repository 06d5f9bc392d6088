import { useEffect, useRef } from 'react'
import { stemClass } from '../lib/stems'
import { type Colours, draw } from './braid'
import { useMedia } from './media'

interface Props {
  stems: readonly string[]
  apart: number
  present?: number
  /** Whether anything moves; never where the reader has asked for stillness. */
  alive?: boolean
  className?: string
}

const FRAME_MS = 50

/** Decoration: whatever it shows is also said in words beside it. */
export function Braid({ stems, apart, present = 1, alive = false, className = '' }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null)
  const shown = useRef({ apart, present })
  const dark = useMedia('(prefers-color-scheme: dark)')
  const still = useMedia('(prefers-reduced-motion: reduce)')
  const names = stems.join()

  useEffect(() => {
    const element = canvas.current
    const context = element?.getContext('2d')
    if (!element || !context) return
    const colours = coloursOf(element, names.split(','))
    let frame = 0
    let last = 0
    const paint = (now: number) => {
      const ratio = window.devicePixelRatio || 1
      const { clientWidth: width, clientHeight: height } = element
      if (element.width !== Math.round(width * ratio)) element.width = Math.round(width * ratio)
      if (element.height !== Math.round(height * ratio)) element.height = Math.round(height * ratio)
      context.setTransform(ratio, 0, 0, ratio, 0, 0)
      const strands = colours.strands.length
      draw(context, { width, height, strands, ...shown.current, time: alive && !still ? now / 1000 : 0 }, colours)
    }
    const step = (now: number) => {
      frame = requestAnimationFrame(step)
      if (now - last < FRAME_MS) return
      last = now
      const glide = (from: number, to: number) => (Math.abs(to - from) < 0.002 ? to : from + (to - from) * 0.15)
      const next = { apart: glide(shown.current.apart, apart), present: glide(shown.current.present, present) }
      const done = next.apart === apart && next.present === present
      shown.current = next
      paint(now)
      if (done && !alive) cancelAnimationFrame(frame)
    }
    if (still) {
      shown.current = { apart, present }
      paint(0)
    } else {
      frame = requestAnimationFrame(step)
    }
    const resized = new ResizeObserver(() => paint(performance.now()))
    resized.observe(element)
    return () => {
      cancelAnimationFrame(frame)
      resized.disconnect()
    }
  }, [names, apart, present, alive, dark, still])

  return <canvas ref={canvas} className={`braid ${className}`} aria-hidden="true" />
}

/** Colours are the style sheet's: read off an element that has the stem's class. */
function coloursOf(canvas: HTMLCanvasElement, stems: readonly string[]): Colours {
  const probe = document.createElement('i')
  canvas.after(probe)
  const colourOf = (className: string) => {
    probe.className = className
    return getComputedStyle(probe).color
  }
  const colours = {
    strands: stems.map((stem) => colourOf(stemClass(stem))),
    braided: colourOf('braided'),
    ground: colourOf('ground'),
  }
  probe.remove()
  return colours
}
