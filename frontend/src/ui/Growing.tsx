/** The player of a song that is being separated: the original, and the stems as far as they exist. */
import { useEffect, useMemo, useRef, useState } from 'react'
import { formatTime } from '../lib/format'
import { inDisplayOrder } from '../lib/stems'
import { GrowingPlayer } from '../player/growing'
import { handOver } from '../player/handover'
import { gains, type Mix, pans, toggled, withStems } from '../player/mixer'
import { OriginalSound } from '../player/original'
import { Pieces } from '../player/pieces'
import { sliderStep } from '../player/shortcuts'
import type { SongList } from '../songs/list'
import { readPlaying, SAVE_EVERY_MS, savePlaying } from '../songs/playing'
import type { Song } from '../songs/song'
import { GrowingLane } from './GrowingLane'
import { Icon } from './Icon'
import { Presets } from './Presets'
import { anyPlays, usePlayerOnPage } from './players'
import { useMediaSession } from './useMediaSession'
import { useGrowingPlayhead } from './useGrowingPlayhead'
import { useShortcuts } from './useShortcuts'


interface Props {
  song: Song
  title: string
  list: SongList
}

export function Growing({ song, title, list }: Props) {
  const player = usePlayer(song, list)
  const pieces = usePieces(song, list, player)
  const [mix, setMix] = useMix(song.id, pieces.stems, player)
  const { layout, stems } = pieces
  const stemSeconds = layout === null ? null : layout.samples / layout.sampleRate
  const originalSeconds = player?.original?.duration ?? null
  const duration =
    stemSeconds ?? song.status?.duration ?? (originalSeconds === null ? null : originalSeconds - (player?.offset ?? 0))
  if (player === null || duration === null) return null
  if (stems.length === 0 && (player.original === null || player.original.failed)) return null
  const choice = song.choices?.stems ?? song.status?.stems ?? 'vocals'
  return <Timeline {...{ title, player, duration, pieces, choice, mix, setMix }} />
}

interface TimelineProps {
  title: string
  player: GrowingPlayer
  /** Of the stems, in seconds. */
  duration: number
  pieces: SoFar
  /** The choice of stems that makes them. */
  choice: string
  mix: Mix
  setMix: (mix: Mix) => void
}

function Timeline({ title, player, duration, pieces, choice, mix, setMix }: TimelineProps) {
  const { layout, stems } = pieces
  const { timeline, timeText, slider } = useGrowingPlayhead(player, duration)
  const { playing, source, waiting } = player.state
  const toggle = () => (playing ? player.pause() : void player.play().catch(() => undefined))
  const seek = (seconds: number) => void player.seek(Math.max(0, Math.min(duration, seconds))).catch(() => undefined)
  const latest = useRef(seek)
  useEffect(() => {
    latest.current = seek
  })
  const media = useMemo(
    () => ({ duration, seconds: () => player.seconds, seek: (seconds: number) => latest.current(seconds) }),
    [player, duration],
  )
  const switched = (control: 'muted' | 'solo') => (index: number) => {
    const stem = stems[index]
    if (stem !== undefined) setMix(toggled(mix, stem, control))
  }
  const hasKeys = usePlayerOnPage({ playing, pause: () => player.pause(), place: 'first' })
  useMediaSession({ title, media, playing, hasKeys, tempo: 1, toggle })
  const actions = {
    toggle,
    move: (seconds: number) => seek(player.seconds + seconds),
    start: () => seek(0),
    end: () => seek(duration),
    mute: switched('muted'),
    solo: switched('solo'),
  }
  useShortcuts(actions, hasKeys)
  const fullLevel = Math.max(0, ...stems.flatMap((stem) => [...pieces.peaks(stem)].map(Math.abs)))
  return (
    <div className="growing" role="group" aria-label={`Play ${title}`}>
      <div className="growing-transport">
        <button
          type="button"
          className="primary play"
          aria-label={playing ? 'Pause' : 'Play'}
          onClick={toggle}
        >
          <Icon name={playing ? 'pause' : 'play'} />
        </button>
        <p className="time">
          <span ref={timeText}>0:00</span>
          <small> / {formatTime(duration)}</small>
        </p>
        <input
          ref={slider}
          type="range"
          className="place"
          min={0}
          max={duration}
          step={0.1}
          defaultValue={0}
          aria-label="Playhead"
          onChange={(event) => seek(Number(event.target.value))}
          onKeyDown={(event) => {
            const step = sliderStep(event, duration)
            if (step === null) return
            event.preventDefault()
            seek(player.seconds + step)
          }}
        />
        <span className="source" role="status">
          {waiting ? 'Waiting for the stems…' : source === 'stems' ? 'Stems' : 'Original'}
        </span>
      </div>
      {stems.length > 0 && (
        <div className="practice" role="group" aria-label="Ready-made mixes">
          <Presets stems={stems} choice={choice} mix={mix} onChoose={setMix} />
        </div>
      )}
      {stems.length > 0 && layout !== null && (
        <div className="lanes" ref={timeline}>
          {stems.map((stem) => (
            <GrowingLane
              key={stem}
              stem={stem}
              peaks={pieces.peaks(stem)}
              ready={pieces.ready / layout.samples}
              fullLevel={fullLevel}
              mix={mix}
              setMix={setMix}
              onSeek={(fraction) => seek(fraction * duration)}
            />
          ))}
        </div>
      )}
    </div>
  )
}

/** The player of the song; null before the first effect. If it plays when the song is done, it goes on. */
function usePlayer(song: Song, list: SongList): GrowingPlayer | null {
  const [shown, show] = useState<{ player: GrowingPlayer } | null>(null) // a new object with each change
  const player = shown?.player ?? null
  const { key } = song
  const { file, now } = song.original ?? { file: null, now: false }
  useEffect(() => {
    const sessionId = () => list.snapshot().find((one) => one.key === key)?.id
    // The player of the finished stems reads the place before this one is removed.
    const remember = () => {
      const id = sessionId()
      if (id != null && created.seconds > 0) savePlaying(id, { ...readPlaying(id), seconds: created.seconds })
    }
    const changed = () => {
      show({ player: created })
      remember()
    }
    const original = file === null ? null : new OriginalSound(file, changed)
    const before = sessionId()
    const created = new GrowingPlayer(original, changed, before == null ? 0 : readPlaying(before).seconds)
    changed()
    const timer = setInterval(() => created.state.playing && remember(), SAVE_EVERY_MS)
    if (now && !anyPlays()) created.play().catch(() => undefined) // a browser that forbids it leaves the button
    return () => {
      clearInterval(timer)
      remember()
      const latest = list.snapshot().find((one) => one.key === key)
      const done = latest?.status?.status === 'COMPLETED'
      if (done && created.state.playing) handOver(latest.status?.session_id ?? '', { ...created.leave(), offset: created.offset })
      else created.close()
    }
  }, [file, now, key, list])
  const start = song.status?.start ?? 0
  const length = player?.original?.duration ?? 0
  useEffect(() => {
    player?.setOffset(start < 0 ? Math.max(0, length + start) : start)
  }, [player, start, length])
  return player
}

interface SoFar extends Pick<Pieces, 'stems' | 'layout' | 'ready'> {
  peaks: (stem: string) => Float32Array
}

const NOTHING: SoFar = { stems: [], layout: null, ready: 0, peaks: () => new Float32Array() }

/** The pieces of the stems so far. */
function usePieces(song: Song, list: SongList, player: GrowingPlayer | null): SoFar {
  const [soFar, setSoFar] = useState<SoFar>(NOTHING)
  const pieces = useRef<Pieces | null>(null)
  const { id } = song
  useEffect(() => {
    if (id === null || player === null) return
    const created = new Pieces(list.client, id, inDisplayOrder, () => {
      const peaks = new Map(created.stems.map((stem) => [stem, created.peaksOf(stem)]))
      const { stems, layout, ready } = created
      setSoFar({ stems, layout, ready, peaks: (stem) => peaks.get(stem) ?? new Float32Array() })
      player.setPieces(created)
    })
    pieces.current = created
    return () => {
      pieces.current = null
      setSoFar(NOTHING)
    }
  }, [id, player, list])
  const until = song.status?.playable_until ?? 0
  useEffect(() => {
    if (until > 0 || soFar.ready > 0) void pieces.current?.update()
  }, [until, soFar.ready, player])
  return soFar
}

/** The mix, which the player of the finished stems takes over. */
function useMix(id: string | null, stems: readonly string[], player: GrowingPlayer | null): [Mix, (mix: Mix) => void] {
  const [changed, setChanged] = useState<Mix>(() => (id === null ? {} : readPlaying(id).mix))
  const mix = useMemo(() => withStems(changed, stems), [changed, stems])
  useEffect(() => player?.setMix(gains(mix), pans(mix)), [player, mix])
  const setMix = (mix: Mix) => {
    setChanged(mix)
    if (id !== null) savePlaying(id, { ...readPlaying(id), mix })
  }
  return [mix, setMix]
}
