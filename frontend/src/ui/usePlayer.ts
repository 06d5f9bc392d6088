/** State of the player of an open song. */
import { useEffect, useMemo, useRef, useState } from 'react'
import type { OutputFile, Status } from '../api/types'
import { Engine, INITIAL_STATE, type PlayerState } from '../player/engine'
import { defaultMix, gains, type Mix } from '../player/mixer'
import { fetchPeaks, type Peaks } from '../player/peaks'
import { type Loop, loopBetween } from '../player/schedule'
import { filesInDisplayOrder } from './downloadLinks'

export interface Stem {
  name: string
  file: OutputFile
  peaks: Peaks
}

export interface LoadedPlayer extends PlayerState {
  stems: readonly Stem[]
  engine: Engine
  mix: Mix
  setMix: (mix: Mix) => void
  loop: Loop | null
  setLoop: (loop: Loop | null) => void
}

/** The files of a session that the player can play, in display order. */
export function playableFiles(status: Status): OutputFile[] {
  return filesInDisplayOrder(status).filter((file) => file.peaks_url != null && file.play_url != null)
}

/** null while the waveforms load; 'failed' when they can't be loaded. */
export function usePlayer(status: Status, refresh: () => Promise<Status>): LoadedPlayer | null | 'failed' {
  const initial = useRef({ status, refresh })
  const [stems, setStems] = useState<readonly Stem[] | null | 'failed'>(null)
  const [engine, setEngine] = useState<Engine | null>(null)
  const [state, setState] = useState<PlayerState>(INITIAL_STATE)
  const [mix, setMix] = useState<Mix>(() => defaultMix(playableFiles(status).map((file) => file.type)))
  const [loop, setLoop] = useState<Loop | null>(null)

  useEffect(() => {
    let mounted = true
    load(initial.current.status)
      .catch(async () => load(await initial.current.refresh())) // the links have expired
      .then((loaded) => mounted && setStems(loaded))
      .catch(() => mounted && setStems('failed'))
    return () => {
      mounted = false
    }
  }, [])

  useEffect(() => {
    if (stems === null || stems === 'failed' || stems.length === 0) return
    const freshUrls = async () => playableFiles(await initial.current.refresh()).map((file) => file.play_url ?? '')
    const sources = stems.map(({ name, file, peaks }) => ({ name, peaks, url: file.play_url ?? '' }))
    const created = new Engine(sources, freshUrls, setState)
    created.prefetch()
    setEngine(created)
    return () => created.close()
  }, [stems])

  useEffect(() => {
    const stemGains = gains(mix)
    if (Array.isArray(stems)) (stems as Stem[]).forEach(({ name }, index) => engine?.setGain(index, stemGains[name] ?? 0))
  }, [engine, mix, stems])

  useEffect(() => engine?.setLoop(loop), [engine, loop])

  return useMemo(() => {
    if (stems === 'failed') return 'failed'
    if (stems === null || engine === null) return null
    return { ...state, stems, engine, mix, setMix, loop, setLoop }
  }, [stems, engine, state, mix, loop])
}

async function load(status: Status): Promise<Stem[]> {
  return Promise.all(
    playableFiles(status).map(async (file) => ({ name: file.type, file, peaks: await fetchPeaks(file.peaks_url ?? '') })),
  )
}

const NEW_LOOP_S = 8

/** A new loop that starts at the playhead. */
export function loopFromPlayhead({ position, layout }: Engine): Loop {
  return loopBetween(position, position + NEW_LOOP_S * layout.sampleRate, layout)
}
