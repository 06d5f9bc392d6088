/** What all rows of a timeline share: the song, the part of it in view, and its loop. */
import { type RefObject, useEffect, useRef, useState } from 'react'
import { snapped } from '../player/beats'
import type { Engine } from '../player/engine'
import { fetchFine } from '../player/fine'
import type { Level } from '../player/peaks'
import { type Loop, loopBetween } from '../player/schedule'
import { sampleAt, type View, wholeSongView } from '../player/view'
import type { Stem } from './usePlayer'
import { useScrub } from './useScrub'

export interface Timeline {
  engine: Engine
  view: View
  loop: Loop | null
  /** Whether the ends of loops go to beats. */
  snap: boolean
  /** null: loops can't be marked here. */
  setLoop: ((loop: Loop | null) => void) | null
  /** Finer waveforms by stem, as far as they are loaded. */
  fine: ReadonlyMap<string, Level>
}

/** The timeline of a player without zoom and loops. */
export function plainTimeline(engine: Engine): Timeline {
  return { engine, view: wholeSongView(engine.layout), loop: null, snap: false, setLoop: null, fine: new Map() }
}

/** The element of a row: a click moves the playhead there, and a drag marks a loop. Alt while dragging: not to beats. */
export function useTimelinePointer({ engine, view, loop, snap, setLoop }: Timeline): RefObject<HTMLDivElement | null> {
  const mark = (from: number, to: number, exact: boolean) => {
    const marked = loopBetween(sampleAt(from, view), sampleAt(to, view), engine.layout)
    setLoop?.(snap && !exact ? snapped(marked, engine.beats, engine.layout) : marked)
  }
  return useScrub(
    (fraction) => engine.seek(sampleAt(fraction, view)),
    setLoop === null ? undefined : mark,
    () => setLoop?.(loop),
  )
}

/** Columns on a wide screen: with fewer pairs in view, the waveform has steps. */
const COLUMNS = 600

/** The finer waveforms of the stems, loaded when the view is short. Without them, the ones at hand are shown. */
export function useFineLevels(stems: readonly Stem[], view: View): ReadonlyMap<string, Level> {
  const [levels, setLevels] = useState<ReadonlyMap<string, Level>>(new Map())
  const asked = useRef(new Set<string>())
  const first = stems[0]
  const needed = first !== undefined && (view.to - view.from) / first.peaks.samplesPerPair < COLUMNS
  useEffect(() => {
    if (!needed) return
    for (const { name, file, peaks } of stems) {
      if (asked.current.has(name)) continue
      asked.current.add(name)
      fetchFine(file.play_url ?? '', peaks).then(
        (level) => level !== null && setLevels((before) => new Map(before).set(name, level)),
        () => asked.current.delete(name), // the link has expired: the next zoom tries again
      )
    }
  }, [needed, stems])
  return levels
}
