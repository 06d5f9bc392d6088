import { expect, test } from 'vitest'
import { ticks } from './ticks'

test('marks are round times, as many as have room', () => {
  expect(ticks(20, 600)).toEqual([0, 5, 10, 15])
  expect(ticks(288, 300)).toEqual([0, 120, 240])
})
