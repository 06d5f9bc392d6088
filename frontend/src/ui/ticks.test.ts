import { expect, test } from 'vitest'
import { ticks } from './ticks'

test('labels are round times with enough space between them', () => {
  expect(ticks(20, 600)).toEqual([0, 5, 10, 15])
  expect(ticks(288, 300)).toEqual([0, 120, 240])
})
