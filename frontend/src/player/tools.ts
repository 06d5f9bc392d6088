/** What a musician sets up to practise a song, besides mix, loop, tempo and key. */
import { type Channel, DEFAULT_CLICK } from './mixer'
import type { NamedLoop } from './loops'
import type { View } from './view'

export interface Tools {
  /** Loops that are kept. */
  loops: NamedLoop[]
  /** Level, mute and solo of the click. */
  click: Channel
  /** Whether four clicks come before the music. */
  countIn: boolean
  /** Whether the ends of loops go to the nearest beats. */
  snap: boolean
  /** The part of the song in view; null: all of it. */
  view: View | null
}

export const NO_TOOLS: Tools = { loops: [], click: DEFAULT_CLICK, countIn: false, snap: true, view: null }
