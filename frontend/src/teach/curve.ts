/** The curve of the scores, and what it means. */
import type { Score } from './types'

export const WIDTH = 300
export const HEIGHT = 90
const MARGIN = 6
/** A difference that can be heard. */
export const AUDIBLE_DB = 1
const SMALL_DB = 0.1

/** Gain of each point over the first one, in dB. */
export function gains(curve: readonly Score[]): number[] {
  const first = curve[0]?.sdr_db.mean ?? 0
  return curve.map((score) => (score.sdr_db.mean ?? 0) - first)
}

interface Places {
  points: [number, number][]
  /** Height of the score before. */
  zero: number
  /** Height of a gain that can be heard. */
  audible: number
}

/** Places in WIDTH x HEIGHT. */
export function placeCurve(curve: readonly Score[]): Places {
  const values = gains(curve)
  const low = Math.min(0, ...values)
  const range = Math.max(...values, AUDIBLE_DB) - low
  const last = Math.max(1, curve.at(-1)?.steps ?? 1)
  const y = (value: number) => HEIGHT - MARGIN - ((value - low) / range) * (HEIGHT - 2 * MARGIN)
  const points = values.map((value, index): [number, number] => [
    MARGIN + ((curve[index]?.steps ?? 0) / last) * (WIDTH - 2 * MARGIN),
    y(value),
  ])
  return { points, zero: y(0), audible: y(AUDIBLE_DB) }
}

/** What the curve means, for a musician. */
export function meaning(curve: readonly Score[]): string {
  if (curve.length < 2) return 'The first score appears when the model has learnt for a while.'
  const best = Math.max(...gains(curve))
  if (best < SMALL_DB) return 'Not better yet than the model it began with. This can take a while.'
  const gain = `${best.toFixed(1)} dB better so far on songs it has never heard.`
  return best < AUDIBLE_DB ? `${gain} From 1 dB on you can hear it.` : `${gain} You can hear that.`
}
