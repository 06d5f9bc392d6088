/** State of the player of an open song. */
import { type Dispatch, type SetStateAction, useCallback, useEffect, useMemo, useRef, useState } from 'react'
import type { OutputFile, Status } from '../api/types'
import { Engine, INITIAL_STATE, type PlayerState } from '../player/engine'
import { openEngine } from '../player/handover'
import { moved } from '../player/loops'
import { CLICK, DEFAULT_CLICK, gains, type Groups, type Mix, pans, wholeSong, withStems } from '../player/mixer'
import type { Practice } from '../player/output'
import { fetchPeaks, type Peaks } from '../player/peaks'
import { type Loop, loopBetween } from '../player/schedule'
import type { Tools } from '../player/tools'
import { readPlaying, SAVE_EVERY_MS, savePlaying } from '../songs/playing'
import { filesInDisplayOrder } from './downloadLinks'

export interface Stem {
  name: string
  file: OutputFile
  peaks: Peaks
}

export interface LoadedPlayer extends PlayerState {
  stems: readonly Stem[]
  engine: Engine
  /** The stem of each part. A stem that has parts doesn't sound: they do. */
  groups: Groups
  mix: Mix
  setMix: (mix: Mix) => void
  /** The mix together with the click. */
  channels: Mix
  setChannels: (channels: Mix) => void
  tools: Tools
  setTools: Dispatch<SetStateAction<Tools>>
  loop: Loop | null
  setLoop: (loop: Loop | null) => void
  practice: Practice
  setPractice: (practice: Practice) => void
  /** The choice of stems that made them. */
  choice: string
  /** Whether the song sounds as it is, whatever the mix. */
  whole: boolean
  setWhole: (whole: boolean) => void
}

/** The files of a session that the player can play, in display order. */
export function playableFiles(status: Status): OutputFile[] {
  return filesInDisplayOrder(status).filter((file) => file.peaks_url != null && file.play_url != null)
}

/**
 * null while the waveforms load; 'failed' when they can't be loaded. When parts of a stem come or go, playback continues
 * at the same place. A song starts with the mix, loop, tempo, key and place that it was left with.
 */
export function usePlayer(status: Status, refresh: () => Promise<Status>): LoadedPlayer | null | 'failed' {
  const latest = useRef({ status, refresh })
  useEffect(() => {
    latest.current = { status, refresh }
  })
  const files = playableFiles(status)
    .map((file) => file.type)
    .join('\n')
  const id = status.session_id
  const choice = status.stems ?? 'all'
  const [left] = useState(() => readPlaying(id))
  const before = useRef({ seconds: left.seconds, playing: false })
  const [stems, setStems] = useState<readonly Stem[] | null | 'failed'>(null)
  const [engine, setEngine] = useState<Engine | null>(null)
  const [state, setState] = useState<PlayerState>(INITIAL_STATE)
  const [stemChannels, setMix] = useState<Mix>(left.mix)
  const [loop, changeLoop] = useState<Loop | null>(left.loop)
  const [tools, setTools] = useState<Tools>(left.tools)
  const [practice, setPractice] = useState(left.practice)
  const [whole, setWhole] = useState(false)

  useEffect(() => {
    let mounted = true
    load(latest.current.status)
      .catch(async () => load(await latest.current.refresh())) // the links have expired
      .then((loaded) => mounted && setStems(loaded))
      .catch(() => mounted && setStems('failed'))
    return () => {
      mounted = false
    }
  }, [files])

  useEffect(() => {
    if (stems === null || stems === 'failed' || stems.length === 0) return
    const sources = sounding(stems).map(({ name, file, peaks }) => ({ name, peaks, url: file.play_url ?? '' }))
    const freshUrls = async () => {
      const fresh = playableFiles(await latest.current.refresh())
      return sources.map(({ name, url }) => fresh.find((file) => file.type === name)?.play_url ?? url)
    }
    const beats = stems.find(({ file, peaks }) => file.from == null && peaks.beats.length > 0)?.peaks.beats ?? []
    const { engine: created, goesOn } = openEngine(id, { stems: sources, freshUrls, onChange: setState, beats })
    if (!goesOn) {
      created.seek(before.current.seconds * created.layout.sampleRate)
      if (before.current.playing) void created.play()
      else created.prefetch()
    }
    setEngine(created)
    return () => {
      before.current = { seconds: created.position / created.layout.sampleRate, playing: created.playing }
      created.close()
    }
  }, [stems, id])

  const groups = useMemo(() => groupsOf(stems === 'failed' ? [] : (stems ?? [])), [stems])
  const mix = useMemo(
    () => withStems(stemChannels, stems === 'failed' ? [] : (stems ?? []).map((stem) => stem.name)),
    [stemChannels, stems],
  )
  const { click } = tools
  const channels = useMemo(() => ({ ...mix, [CLICK]: click }), [mix, click])
  const setChannels = useCallback(({ [CLICK]: click = DEFAULT_CLICK, ...mix }: Mix) => {
    setMix(mix)
    setTools((tools) => ({ ...tools, click }))
  }, [])
  const setLoop = useCallback((loop: Loop | null) => {
    changeLoop(loop)
    if (loop?.name !== undefined) setTools((tools) => ({ ...tools, loops: moved(tools.loops, loop) }))
  }, [])

  useEffect(() => {
    if (stems === null || stems === 'failed') return
    const original = whole ? wholeSong(Object.keys(mix), choice, groups) : null
    const heard = original === null ? channels : { ...original, [CLICK]: { ...channels[CLICK], solo: false } }
    const [stemGains, stemPans] = [gains(heard, groups), pans(heard, groups)]
    sounding(stems).forEach(({ name }, index) => engine?.setStem(index, stemGains[name] ?? 0, stemPans[name] ?? 0))
    engine?.setClick(stemGains[CLICK] ?? 0, click.volume, stemPans[CLICK] ?? 0)
  }, [engine, mix, click, channels, groups, stems, whole, choice])

  useEffect(() => {
    if (engine === null) return
    engine.setLoop(loop === null ? null : loopBetween(loop.from, loop.to, engine.layout))
  }, [engine, loop])

  useEffect(() => void engine?.setPractice(practice), [engine, practice])

  useEffect(() => {
    if (engine === null) return
    let saved = NaN
    const save = () => {
      saved = engine.position
      savePlaying(id, { mix: stemChannels, loop, practice, tools, seconds: saved / engine.layout.sampleRate })
    }
    save()
    // A browser that is ended, as phones do with those in the background, tells the page nothing.
    const timer = setInterval(() => engine.position !== saved && save(), SAVE_EVERY_MS)
    window.addEventListener('pagehide', save)
    return () => {
      save()
      clearInterval(timer)
      window.removeEventListener('pagehide', save)
    }
  }, [engine, id, stemChannels, loop, practice, tools, state.playing])

  return useMemo(() => {
    if (stems === 'failed') return 'failed'
    if (stems === null || engine === null) return null
    return {
      ...{ ...state, stems, engine, groups, mix, setMix, channels, setChannels, tools, setTools },
      ...{ loop, setLoop, practice, setPractice, choice, whole, setWhole },
    }
  }, [stems, engine, state, groups, mix, channels, setChannels, tools, loop, setLoop, practice, choice, whole])
}

function groupsOf(stems: readonly Stem[]): Groups {
  return Object.fromEntries(stems.flatMap(({ name, file }) => (file.from == null ? [] : [[name, file.from]])))
}

/** The stems that sound: those without parts. */
function sounding(stems: readonly Stem[]): Stem[] {
  const whole = new Set(Object.values(groupsOf(stems)))
  return stems.filter((stem) => !whole.has(stem.name))
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
