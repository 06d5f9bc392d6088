/** Loops that are kept with a song, each under a name. */
import type { Loop } from './schedule'

export interface NamedLoop extends Loop {
  name: string
}

const LONGEST_NAME = 40

/** A name that no kept loop has: `Loop 1`, `Loop 2` and so on. */
export function freeName(loops: readonly NamedLoop[]): string {
  const taken = new Set(loops.map((loop) => loop.name))
  let number = 1
  while (taken.has(`Loop ${number}`)) number += 1
  return `Loop ${number}`
}

/** The loops with one more, in the order of the song; and that one with its name. */
export function kept(loops: readonly NamedLoop[], { from, to }: Loop): { loops: NamedLoop[]; loop: NamedLoop } {
  const loop = { from, to, name: freeName(loops) }
  return { loops: inOrder([...loops, loop]), loop }
}

/** The loops with the ends of one changed. */
export function moved(loops: readonly NamedLoop[], { from, to, name }: Loop): NamedLoop[] {
  return inOrder(loops.map((loop) => (loop.name === name ? { ...loop, from, to } : loop)))
}

/** A name as it is kept. */
export function cleanName(text: string): string {
  return text.trim().slice(0, LONGEST_NAME)
}

/** The loops with another name for one. Null if the name is empty or another loop has it. */
export function renamed(loops: readonly NamedLoop[], name: string, to: string): NamedLoop[] | null {
  const wanted = cleanName(to)
  const taken = wanted !== name && loops.some((loop) => loop.name === wanted)
  if (wanted === '' || taken) return null
  return loops.map((loop) => (loop.name === name ? { ...loop, name: wanted } : loop))
}

export function forgotten(loops: readonly NamedLoop[], name: string): NamedLoop[] {
  return loops.filter((loop) => loop.name !== name)
}

function inOrder(loops: NamedLoop[]): NamedLoop[] {
  return loops.sort((a, b) => a.from - b.from)
}
