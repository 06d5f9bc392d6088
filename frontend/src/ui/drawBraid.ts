/** Draws a braid whose strands come apart from left to right as the work progresses. */

export interface Picture {
  width: number
  height: number
  strands: number
  /** Strands to the left of this fraction of the width are apart, side by side. */
  apart: number
  /** The braid is drawn faintly to the right of this fraction of the width. */
  present: number
  /** Seconds, for the swing of strands that have just come apart; 0: no swing. */
  time: number
}

export interface Colours {
  strands: string[]
  braided: string
  background: string
}

const STEP_PX = 2

interface Point {
  y: number
  /** Positive where the strand passes above the one that it crosses. */
  depth: number
  /** 0: in the braid, 1: apart. */
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
    // Where two strands cross, their depths have opposite signs, whatever their phase difference.
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

/** Draw all strands, then again the parts that pass above, with an edge in the background's colour. */
export function draw(context: CanvasRenderingContext2D, picture: Picture, colours: Colours): void {
  const { width, height, strands, present } = picture
  const thickness = Math.max(2, height / 17)
  const xs = Array.from({ length: Math.ceil(width / STEP_PX) + 3 }, (_, index) => (index - 1) * STEP_PX)
  const paths = Array.from({ length: strands }, (_, strand) => xs.map((x) => ({ x, ...point(picture, strand, x) })))
  const styles = paths.map((_, strand) => strandStyle(context, picture, colours.strands[strand] ?? '', colours.braided))
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
  paths.forEach((path, strand) => line(path, styles[strand] ?? '', thickness))
  paths.forEach((path, strand) => {
    for (const part of runs(path, (at) => at.depth > 0 && at.loose < 0.7)) {
      line(part.slice(2, -2), colours.background, thickness * 1.9)
      line(part, styles[strand] ?? '', thickness)
    }
  })
  if (present < 1) {
    context.globalCompositeOperation = 'destination-out'
    context.fillStyle = 'rgb(0 0 0 / 78%)'
    context.fillRect(width * present, 0, width * (1 - present), height)
    context.globalCompositeOperation = 'source-over'
  }
}

/** A strand has the braid's colour, and its own colour where it is apart. */
function strandStyle(context: CanvasRenderingContext2D, picture: Picture, own: string, braided: string): CanvasGradient {
  const { width, height } = picture
  const stop = (x: number) => Math.max(0, Math.min(1, x / width))
  const gradient = context.createLinearGradient(0, 0, width, 0)
  gradient.addColorStop(stop(frontOf(picture) - height * 0.3), own)
  gradient.addColorStop(stop(frontOf(picture) + height * 0.5), braided)
  return gradient
}

/** Split a list into its longest stretches of items that meet the condition. */
export function runs<T>(items: readonly T[], condition: (item: T) => boolean): T[][] {
  const stretches: T[][] = []
  let current: T[] = []
  for (const item of items) {
    if (condition(item)) {
      current.push(item)
    } else if (current.length > 0) {
      stretches.push(current)
      current = []
    }
  }
  return current.length > 0 ? [...stretches, current] : stretches
}
