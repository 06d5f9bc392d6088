import { describe, expect, it } from 'vitest'
import { gains, HEIGHT, meaning, placeCurve, WIDTH } from './curve'
import type { Score } from './types'

const curve = (...means: number[]): Score[] =>
  means.map((mean, index) => ({ steps: 10 * index, minutes: index, sdr_db: { vocals: mean, mean } }))

describe('curve', () => {
  it('shows gains over the first score', () => {
    expect(gains(curve(5, 4.5, 6))).toEqual([0, -0.5, 1])
  })

  it('fits into the picture', () => {
    const { points, zero, audible } = placeCurve(curve(5, 4, 9))
    for (const [x, y] of points) {
      expect(x).toBeGreaterThanOrEqual(0)
      expect(x).toBeLessThanOrEqual(WIDTH)
      expect(y).toBeGreaterThanOrEqual(0)
      expect(y).toBeLessThanOrEqual(HEIGHT)
    }
    expect(zero).toBe(points[0]?.[1])
    expect(zero - audible).toBeCloseTo(((points[1]?.[1] ?? 0) - (points[2]?.[1] ?? 0)) / 5)
  })

  it('has room for a gain that can be heard, before there is one', () => {
    expect(placeCurve(curve(5, 4.9, 5.1)).audible).toBeGreaterThanOrEqual(0)
  })

  it('says what it means', () => {
    expect(meaning(curve(5))).toContain('first score')
    expect(meaning(curve(5, 4.9))).toContain('Not better yet')
    expect(meaning(curve(5, 5.4))).toBe(
      '0.4 dB better so far on songs it has never heard. From 1 dB on you can hear it.',
    )
    expect(meaning(curve(5, 6.5, 6))).toContain('1.5 dB better')
  })
})
