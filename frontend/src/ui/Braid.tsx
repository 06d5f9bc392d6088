import { useEffect, useRef } from 'react'
import { stemClass } from '../lib/stems'
import { type Colours, draw } from './drawBraid'
import { useMediaQuery } from './useMediaQuery'

export const FOUR_STEMS: readonly string[] = ['vocals', 'drums', 'bass', 'other']

interface Props {
  stems: readonly string[]
  /** See `Picture` in drawBraid. */
  apart: number
  present?: number
  /** Whether the loose strands swing. They never do if the user prefers reduced motion. */
  animated?: boolean
}

const FRAME_MS = 50

/** A braid that shows progress. It is decoration: the same progress is in the text beside it. */
export function Braid({ stems, apart, present = 1, animated = false }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null)
  const shown = useRef({ apart, present })
  const dark = useMediaQuery('(prefers-color-scheme: dark)')
  const reducedMotion = useMediaQuery('(prefers-reduced-motion: reduce)')
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
      draw(context, { width, height, strands, ...shown.current, time: animated && !reducedMotion ? now / 1000 : 0 }, colours)
    }
    const onFrame = (now: number) => {
      frame = requestAnimationFrame(onFrame)
      if (now - last < FRAME_MS) return
      last = now
      const approach = (from: number, to: number) => (Math.abs(to - from) < 0.002 ? to : from + (to - from) * 0.15)
      const next = { apart: approach(shown.current.apart, apart), present: approach(shown.current.present, present) }
      const done = next.apart === apart && next.present === present
      shown.current = next
      paint(now)
      if (done && !animated) cancelAnimationFrame(frame)
    }
    if (reducedMotion) {
      shown.current = { apart, present }
      paint(0)
    } else {
      frame = requestAnimationFrame(onFrame)
    }
    const observer = new ResizeObserver(() => paint(performance.now()))
    observer.observe(element)
    return () => {
      cancelAnimationFrame(frame)
      observer.disconnect()
    }
  }, [names, apart, present, animated, dark, reducedMotion])

  return <canvas ref={canvas} className="braid" aria-hidden="true" />
}

/** Read the stems' colours from the style sheet, with an element that has the stem's class. */
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
    background: colourOf('braid-background'),
  }
  probe.remove()
  return colours
}
