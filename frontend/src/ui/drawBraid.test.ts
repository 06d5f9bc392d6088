import { expect, test } from 'vitest'
import { type Picture, point, runs } from './drawBraid'

const picture = (strands: number, apart: number): Picture => ({
  width: 600, height: 60, strands, apart, present: 1, time: 0,
}) // prettier-ignore

test.each([2, 4, 6])('where two of %d strands cross, one is above and one below', (strands) => {
  let crossings = 0
  for (let a = 0; a < strands; a += 1) {
    for (let b = 0; b < a; b += 1) {
      for (let x = 0; x < 600; x += 0.5) {
        const [left, right] = [x, x + 0.5].map((at) => [point(picture(strands, 0), a, at), point(picture(strands, 0), b, at)])
        if (!left?.[0] || !left[1] || !right?.[0] || !right[1]) throw new Error('no points')
        if (Math.sign(left[0].y - left[1].y) === Math.sign(right[0].y - right[1].y)) continue
        crossings += 1
        expect(left[0].depth * left[1].depth).toBeLessThan(0)
      }
    }
  }
  expect(crossings).toBeGreaterThan(5)
})

test('strands that are apart lie side by side, in the order of the stems', () => {
  const ys = [0, 1, 2, 3].map((strand) => point(picture(4, 1), strand, 300).y)
  expect(ys).toEqual([...ys].sort((a, b) => a - b))
  expect(point(picture(4, 1), 0, 599).loose).toBe(1)
  expect(point(picture(4, 0), 0, 1).loose).toBe(0)
})

test('runs are the stretches in which the condition holds', () => {
  expect(runs([1, 1, 0, 1, 0, 0, 1], (item) => item === 1)).toEqual([[1, 1], [1], [1]])
})
