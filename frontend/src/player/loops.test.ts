import { expect, test } from 'vitest'
import { forgotten, kept, moved, renamed } from './loops'

const verse = { from: 100, to: 200, name: 'Verse' }
const chorus = { from: 300, to: 400, name: 'Chorus' }

test('a kept loop has a name of its own, and loops are in the order of the song', () => {
  const first = kept([verse, chorus], { from: 250, to: 280 })
  expect(first.loop.name).toBe('Loop 1')
  expect(first.loops.map((loop) => loop.name)).toEqual(['Verse', 'Loop 1', 'Chorus'])
  expect(kept(first.loops, { from: 0, to: 9 }).loop.name).toBe('Loop 2')
})

test('a kept loop can be moved, renamed and forgotten', () => {
  expect(moved([verse, chorus], { from: 350, to: 380, name: 'Verse' })).toEqual([chorus, { from: 350, to: 380, name: 'Verse' }])
  expect(renamed([verse, chorus], 'Verse', ' First verse ')?.[0]?.name).toBe('First verse')
  expect(forgotten([verse, chorus], 'Verse')).toEqual([chorus])
})

test('a name is neither empty nor that of another loop', () => {
  expect(renamed([verse, chorus], 'Verse', '  ')).toBeNull()
  expect(renamed([verse, chorus], 'Verse', 'Chorus')).toBeNull()
  expect(renamed([verse, chorus], 'Verse', 'Verse')).toEqual([verse, chorus])
})
