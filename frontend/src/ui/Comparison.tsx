/** Try another model on the looped part of a song, and switch between both at the same place. */
import { type RefObject, useEffect, useImperativeHandle, useMemo, useRef, useState } from 'react'
import { errorMessage } from '../api/problem'
import type { Models, Split, Status } from '../api/types'
import { formatPart } from '../lib/format'
import { SONG, STEM_FILE } from '../lib/stems'
import type { Engine } from '../player/engine'
import { peakLevel } from '../player/peaks'
import type { Loop } from '../player/schedule'
import type { SongList } from '../songs/list'
import { isActive } from '../songs/splits'
import { Icon } from './Icon'
import { Lane } from './Lane'
import { SplitMenu, SplitProgress } from './SplitControl'
import { comparisonOptions } from './splitOptions'
import { plainTimeline } from './timeline'
import { usePlayerOnPage } from './players'
import { usePlayhead } from './usePlayhead'
import { type LoadedPlayer, usePlayer } from './usePlayer'

/** The player of the other model's stems. */
export interface ComparedPlayer {
  /** Pause, and let the song's own player go on at the same place. */
  handOver: () => void
}

interface Props {
  status: Status
  list: SongList
  models: Models | null
  /** The player of the song. */
  engine: Engine
  loop: Loop | null
  compared: RefObject<ComparedPlayer | null>
}

export function Comparison({ status, list, models, engine, loop, compared }: Props) {
  const id = status.session_id
  const dialog = useRef<HTMLDialogElement>(null)
  const [problem, setProblem] = useState<string | null>(null)
  const split = status.splits?.find((one) => one.from === SONG)
  const { sampleRate } = engine.layout
  const partS = loop === null ? 0 : (loop.to - loop.from) / sampleRate
  const options = comparisonOptions(status.model, models, partS)
  const attempt = (action: Promise<unknown>) => {
    setProblem(null)
    action.catch((error: unknown) => setProblem(errorMessage(error)))
  }
  // A song that was separated in part has no whole song on the timeline, and a stem file has no stems beside it.
  if (status.start != null || status.end != null || status.format === STEM_FILE) return null
  const failure = problem ?? (split?.status === 'FAILED' ? split.error_message : null)
  const again = split === undefined || !(isActive(split) || split.status === 'COMPLETED')
  const label = 'Try another model on this part'
  const choose = (model: string) => {
    if (loop !== null) attempt(list.split(id, SONG, model, { start: loop.from / sampleRate, end: loop.to / sampleRate }))
  }
  const part = split === undefined ? '' : formatPart(split.start, split.end)
  return (
    <div className="comparison">
      {again && loop !== null && options.length > 0 && (
        <button type="button" aria-haspopup="dialog" onClick={() => dialog.current?.showModal()}>
          {label}
        </button>
      )}
      <SplitMenu
        dialog={dialog}
        label={label}
        note="Its stems of the looped part appear below. Switch between both models while they play."
        options={options}
        onChoose={choose}
      />
      {split !== undefined && isActive(split) && (
        <>
          <SplitProgress name={`the part ${part}`} split={split} estimate={list.splitEstimates.of(split)} />
          <button type="button" onClick={() => attempt(list.cancelSplit(id, split.session_id))}>
            Stop
          </button>
        </>
      )}
      {split?.status === 'COMPLETED' && (
        <section aria-label={`With ${split.model}, ${part}`}>
          <h3>
            With {split.model}, {part}
          </h3>
          <Compared
            key={split.session_id}
            split={split}
            status={status}
            list={list}
            engine={engine}
            compared={compared}
          />
          <button type="button" onClick={() => attempt(list.removeParts(id, split.session_id))}>
            <Icon name="delete" /> Remove the comparison
          </button>
        </section>
      )}
      {failure != null && (
        <p className="problem" role="alert">
          {failure}
        </p>
      )}
    </div>
  )
}

interface ComparedProps extends Pick<Props, 'status' | 'list' | 'engine' | 'compared'> {
  split: Split
}

function Compared({ split, status, list, engine, compared }: ComparedProps) {
  const player = usePlayer(comparedStatus(status, split), async () =>
    comparedStatus(await list.refresh(status.session_id), split),
  )
  if (player === 'failed') return <p className="problem">The stems could not be loaded. Reload the page to try again.</p>
  if (player === null || player.stems.length === 0) return <p aria-busy="true">Loading…</p>
  return <ComparedLanes split={split} player={player} song={engine} compared={compared} />
}

interface LanesProps {
  split: Split
  player: LoadedPlayer
  /** The player of the song. */
  song: Engine
  compared: RefObject<ComparedPlayer | null>
}

function ComparedLanes({ split, player, song, compared }: LanesProps) {
  const { engine, stems, groups, mix, setMix, setLoop, playing, problem } = player
  const { timeline, timeText } = usePlayhead(engine)
  const { samples, sampleRate } = engine.layout
  const startS = split.start ?? 0
  const rows = useMemo(() => plainTimeline(engine), [engine])
  useEffect(() => setLoop({ from: 0, to: samples }), [setLoop, samples])
  usePlayerOnPage({ playing, pause: () => engine.pause(), place: 'beside' })
  useImperativeHandle(compared, () => ({
    handOver: () => {
      if (!engine.playing) return
      engine.pause()
      song.seek((startS + engine.position / sampleRate) * song.layout.sampleRate)
    },
  }))
  const toggle = () => {
    if (playing) {
      engine.pause()
      return
    }
    if (song.playing) {
      const within = song.position / song.layout.sampleRate - startS
      if (within >= 0 && within < samples / sampleRate) engine.seek(within * sampleRate)
      song.pause()
    }
    void engine.play()
  }
  return (
    <>
      <div className="transport">
        <button type="button" onClick={toggle}>
          <Icon name={playing ? 'pause' : 'play'} /> {playing ? 'Pause' : 'Play'} with {split.model}
        </button>
        <p className="time">
          <span ref={timeText}>0:00</span>
        </p>
      </div>
      {problem !== null && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
      <div className="lanes" ref={timeline}>
        {stems.map((stem) => (
          <Lane
            key={stem.name}
            title={split.model}
            stem={stem}
            file={stem.file}
            fullLevel={peakLevel(stems.map(({ peaks }) => peaks))}
            mix={mix}
            groups={groups}
            setMix={setMix}
            timeline={rows}
            split={null}
          />
        ))}
      </div>
    </>
  )
}

/** The status as if the stems of the comparison were those of a song of its own. */
function comparedStatus(status: Status, split: Split): Status {
  const files = (status.output_files ?? []).filter((file) => file.from === SONG)
  const stems = files.map((file) => ({ ...file, type: file.type.slice(SONG.length + 1), from: null }))
  return { ...status, session_id: split.session_id, stems: 'all', output_files: stems }
}
