/** The sound of an open song, and what the page shows of it. */
import { useEffect, useMemo, useRef, useState } from 'react'
import type { OutputFile, Status } from '../api/types'
import { Engine, type PlayerState } from '../player/engine'
import { evenMix, gains, type Mix } from '../player/mixer'
import { fetchPeaks, type Peaks } from '../player/peaks'
import { type Loop, loopBetween } from '../player/schedule'
import { sorted } from '../lib/stems'

export interface Stem {
  name: string
  file: OutputFile
  peaks: Peaks
}

export interface Playing extends PlayerState {
  stems: readonly Stem[]
  engine: Engine
  mix: Mix
  setMix: (mix: Mix) => void
  loop: Loop | null
  setLoop: (loop: Loop | null) => void
}

/** The files of a session that can be played, in the order in which they are shown. */
export function playable(status: Status): OutputFile[] {
  const files = (status.output_files ?? []).filter((file) => file.peaks_url != null && file.play_url != null)
  const order = sorted(files.map((file) => file.type))
  return files.sort((a, b) => order.indexOf(a.type) - order.indexOf(b.type))
}

/** null while the waveforms are on their way; 'failed' when they can't be had. */
export function usePlayer(status: Status, refresh: () => Promise<Status>): Playing | null | 'failed' {
  const first = useRef({ status, refresh })
  const [stems, setStems] = useState<readonly Stem[] | null | 'failed'>(null)
  const [engine, setEngine] = useState<Engine | null>(null)
  const [state, setState] = useState<PlayerState>({ playing: false, waiting: false, problem: null })
  const [mix, setMix] = useState<Mix>(() => evenMix(playable(status).map((file) => file.type)))
  const [loop, setLoop] = useState<Loop | null>(null)

  useEffect(() => {
    let here = true
    load(first.current.status)
      .catch(async () => load(await first.current.refresh())) // the links had run out
      .then((found) => here && setStems(found))
      .catch(() => here && setStems('failed'))
    return () => {
      here = false
    }
  }, [])

  useEffect(() => {
    if (stems === null || stems === 'failed' || stems.length === 0) return
    const anew = async () => playable(await first.current.refresh()).map((file) => file.play_url ?? '')
    const sources = stems.map(({ name, file, peaks }) => ({ name, peaks, url: file.play_url ?? '' }))
    const made = new Engine(sources, anew, setState)
    made.warm()
    setEngine(made)
    return () => made.close()
  }, [stems])

  useEffect(() => {
    const wanted = gains(mix)
    if (Array.isArray(stems)) (stems as Stem[]).forEach(({ name }, place) => engine?.setGain(place, wanted[name] ?? 0))
  }, [engine, mix, stems])

  useEffect(() => engine?.setLoop(loop), [engine, loop])

  return useMemo(() => {
    if (stems === 'failed') return 'failed'
    if (stems === null || engine === null) return null
    return { ...state, stems, engine, mix, setMix, loop, setLoop }
  }, [stems, engine, state, mix, loop])
}

async function load(status: Status): Promise<Stem[]> {
  const files = playable(status)
  return Promise.all(
    files.map(async (file) => ({ name: file.type, file, peaks: await fetchPeaks(file.peaks_url ?? '') })),
  )
}

/** A loop of a few seconds from here, where there was none. */
export function loopFrom(engine: Engine): Loop {
  const { place, layout } = engine
  return loopBetween(place, place + 8 * layout.sampleRate, layout)
}
