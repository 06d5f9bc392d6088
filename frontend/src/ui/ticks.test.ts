import { expect, test } from 'vitest'
import { ticks } from './ticks'

test('labels are round times with enough space between them', () => {
  expect(ticks(0, 20, 600)).toEqual([0, 5, 10, 15])
  expect(ticks(0, 288, 300)).toEqual([0, 120, 240])
  expect(ticks(61, 66.5, 600)).toEqual([61, 62, 63, 64, 65, 66])
  expect(ticks(0, 130, 300)).toEqual([0, 30, 60, 90]) // 2:00 would be 23 px from the end
})
