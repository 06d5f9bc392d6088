/** The picture of the work: strands that are braided, and come apart as far as it has gone. */

export interface Picture {
  width: number
  height: number
  strands: number
  /** How far it has come apart: the strands lie side by side to the left of this, 0 to 1. */
  apart: number
  /** How much of the braid is there at all, 0 to 1; the rest is drawn faintly. */
  present: number
  /** Seconds, for the strands that have just come loose and still swing; 0: they lie still. */
  time: number
}

export interface Colours {
  strands: string[]
  braided: string
  ground: string
}

const STEP = 2 // pixels

interface Point {
  y: number
  /** Above or below the others where strands cross: positive is above. */
  depth: number
  /** 0: in the braid, 1: out of it. */
  loose: number
}

export function point(picture: Picture, strand: number, x: number): Point {
  const { height, strands, time } = picture
  const turn = 2 * Math.PI * (x / (height * 1.8) + strand / strands)
  const front = frontOf(picture)
  const loose = smooth((front - x) / height + 0.5)
  const swing = time === 0 ? 0 : Math.exp(-Math.abs(front - x) / (height * 3)) * Math.sin(x / 9 + strand * 2 - time * 7)
  const lane = ((strand + 0.5) / strands - 0.5) * height * 0.8
  const braided = Math.sin(turn) * height * 0.34
  return {
    y: height / 2 + braided * (1 - loose) + (lane + swing * height * 0.035) * loose,
    // Of two sines that meet, one has the opposite sign of the other here, whatever lies between their phases.
    depth: strands === 2 ? Math.cos(turn) : Math.sin(2 * turn) + 0.5 * Math.cos(turn),
    loose,
  }
}

function frontOf({ width, height, apart }: Picture): number {
  return apart * (width + height) - height / 2
}

function smooth(t: number): number {
  const x = Math.max(0, Math.min(1, t))
  return x * x * (3 - 2 * x)
}

/** All strands below, then those parts of them that go above, each with a rim of the ground's colour. */
export function draw(context: CanvasRenderingContext2D, picture: Picture, colours: Colours): void {
  const { width, height, strands, present } = picture
  const thick = Math.max(2, height / 17)
  const xs = Array.from({ length: Math.ceil(width / STEP) + 3 }, (_, place) => (place - 1) * STEP)
  const paths = Array.from({ length: strands }, (_, strand) => xs.map((x) => ({ x, ...point(picture, strand, x) })))
  const inks = paths.map((_, strand) => ink(context, picture, colours.strands[strand] ?? '', colours.braided))
  context.clearRect(0, 0, width, height)
  context.lineJoin = 'round'
  context.lineCap = 'butt'
  const line = (part: readonly { x: number; y: number }[], style: CanvasGradient | string, lineWidth: number) => {
    context.strokeStyle = style
    context.lineWidth = lineWidth
    context.beginPath()
    for (const { x, y } of part) context.lineTo(x, y)
    context.stroke()
  }
  paths.forEach((path, strand) => line(path, inks[strand] ?? '', thick))
  paths.forEach((path, strand) => {
    for (const part of runs(path, (at) => at.depth > 0 && at.loose < 0.7)) {
      line(part.slice(2, -2), colours.ground, thick * 1.9)
      line(part, inks[strand] ?? '', thick)
    }
  })
  if (present < 1) {
    context.globalCompositeOperation = 'destination-out'
    context.fillStyle = 'rgb(0 0 0 / 78%)'
    context.fillRect(width * present, 0, width * (1 - present), height)
    context.globalCompositeOperation = 'source-over'
  }
}

/** A strand takes on its own colour where it leaves the braid. */
function ink(context: CanvasRenderingContext2D, picture: Picture, own: string, braided: string): CanvasGradient {
  const { width, height } = picture
  const place = (x: number) => Math.max(0, Math.min(1, x / width))
  const gradient = context.createLinearGradient(0, 0, width, 0)
  gradient.addColorStop(place(frontOf(picture) - height * 0.3), own)
  gradient.addColorStop(place(frontOf(picture) + height * 0.5), braided)
  return gradient
}

export function runs<T>(all: readonly T[], holds: (one: T) => boolean): T[][] {
  const found: T[][] = []
  let current: T[] = []
  for (const one of all) {
    if (holds(one)) {
      current.push(one)
    } else if (current.length > 0) {
      found.push(current)
      current = []
    }
  }
  return current.length > 0 ? [...found, current] : found
}
