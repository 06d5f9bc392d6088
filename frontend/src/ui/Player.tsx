/** The open song: transport, mixer and downloads. */
import { useCallback, useMemo, useRef } from 'react'
import type { MixConfig, Models, Status } from '../api/types'
import { formatTime } from '../lib/format'
import { SONG, stemClass } from '../lib/stems'
import type { Engine } from '../player/engine'
import { toggled, wholeSong } from '../player/mixer'
import { peakLevel } from '../player/peaks'
import { snapped } from '../player/beats'
import { type Loop, loopBetween } from '../player/schedule'
import { fractionOf, isWhole, validView, type View, wholeSongView, zoomed } from '../player/view'
import type { SongList } from '../songs/list'
import { ClickLane } from './ClickLane'
import { type ComparedPlayer, Comparison } from './Comparison'
import { Downloads } from './Downloads'
import { Icon } from './Icon'
import { Lane, laneName } from './Lane'
import { Loops } from './Loops'
import { OriginalLane } from './OriginalLane'
import { Overview } from './Overview'
import { Picture } from './Picture'
import { Practice } from './Practice'
import { Ruler } from './Ruler'
import { SplitControl } from './SplitControl'
import { type Timeline as Rows, useFineLevels } from './timeline'
import { type Media, useMediaSession } from './useMediaSession'
import { type LoadedPlayer, loopFromPlayhead, playableFiles, usePlayer } from './usePlayer'
import { usePlayhead } from './usePlayhead'
import { usePlayerOnPage } from './players'
import { useShortcuts } from './useShortcuts'
import { useZoom } from './useZoom'
import { WaitingTransport } from './WaitingTransport'
import { Zoom } from './Zoom'

interface Props {
  title: string
  status: Status
  list: Pick<SongList, 'client' | 'refresh'>
  /** The list that may change the song; null: it may only be heard and downloaded. */
  editor: SongList | null
  config: MixConfig
  models: Models | null
  onDelete?: () => void
}

export function Player({ title, status, list, editor, config, models, onDelete }: Props) {
  const id = status.session_id
  const player = usePlayer(status, () => list.refresh(id))
  const ready = player !== null && player !== 'failed'
  return (
    <div className="player">
      {ready && player.stems.length > 0 && <Timeline title={title} player={player} status={status} editor={editor} models={models} />}
      {player === null && <WaitingTransport id={id} title={title} />}
      {player === null && <LoadingLanes status={status} />}
      {player === 'failed' && (
        <p className="problem">
          The waveforms could not be loaded, so the stems can’t be played here. Reload the page to try again.
        </p>
      )}
      {(status.warnings ?? []).map((warning) => (
        <p key={warning} className="warning">
          {warning}
        </p>
      ))}
      <Downloads
        title={title}
        status={status}
        player={ready ? player : null}
        config={config}
        list={list}
        {...(onDelete && { onDelete })}
      />
    </div>
  )
}

/** Lanes without waveforms, which keep the layout stable until these are loaded. */
function LoadingLanes({ status }: { status: Status }) {
  return (
    <div className="lanes" aria-busy="true">
      {playableFiles(status).map((file) => (
        <div key={file.type} className={`lane ${stemClass(file.type)}${file.from == null ? '' : ' part'}`}>
          <div className="controls">
            <span className="stem-name">{laneName(file)}</span>
          </div>
          <div className="wave" />
        </div>
      ))}
    </div>
  )
}

function mediaOf(engine: Engine): Media {
  const { samples, sampleRate } = engine.layout
  return {
    duration: samples / sampleRate,
    seconds: () => engine.position / sampleRate,
    seek: (seconds) => engine.seek(seconds * sampleRate),
  }
}

interface TimelineProps {
  title: string
  player: LoadedPlayer
  status: Status
  editor: SongList | null
  models: Models | null
}

function Timeline({ title, player, status, editor, models }: TimelineProps) {
  const { engine, stems, groups, channels, setChannels, loop, setLoop, tools, setTools, choice, whole, setWhole } = player
  const { playing, buffering, problem } = player
  const { layout } = engine
  const view = useMemo(() => validView(tools.view, layout), [tools.view, layout])
  const setView = useCallback(
    (view: View) => setTools((tools) => ({ ...tools, view: isWhole(view, layout) ? null : view })),
    [setTools, layout],
  )
  const { timeline, timeText } = usePlayhead(engine, view, setView)
  useZoom(timeline, layout, view, setView)
  const snap = tools.snap && engine.beats.length > 0
  const rows: Rows = { engine, view, loop, snap, setLoop, fine: useFineLevels(stems, view) }
  const original = useMemo(() => {
    const song = stems.length > 1 ? wholeSong(stems.map((stem) => stem.name), choice, groups) : null
    return song && stems.filter(({ name }) => song[name]?.muted === false && !(name in groups))
  }, [stems, choice, groups])
  const toBeats = (loop: Loop) => (snap ? snapped(loop, engine.beats, layout) : loop)
  /** Move the ends of the loop. A kept one stays the same loop. */
  const moveLoop = (from: number, to: number) =>
    setLoop({ ...toBeats(loopBetween(from, to, layout)), ...(loop?.name !== undefined && { name: loop.name }) })
  const compared = useRef<ComparedPlayer | null>(null)
  const { samples, sampleRate } = layout
  const fullLevel = peakLevel(stems.map((stem) => stem.peaks))
  const toggle = () => {
    if (playing) engine.pause()
    else {
      compared.current?.handOver()
      void engine.play(tools.countIn)
    }
  }
  const media = useMemo(() => mediaOf(engine), [engine])
  const toggleLoop = () => setLoop(loop === null ? toBeats(loopFromPlayhead(engine)) : null)
  const zoom = (factor: number) => {
    const playhead = fractionOf(engine.position, view)
    setView(zoomed(view, factor, playhead >= 0 && playhead <= 1 ? playhead : 0.5, layout))
  }
  const hasKeys = usePlayerOnPage({ playing, pause: () => engine.pause(), place: 'last' })
  useMediaSession({ title, media, playing, hasKeys, tempo: player.practice.tempo, toggle })
  const actions = {
    toggle,
    move: (seconds: number) => engine.seek(engine.position + seconds * sampleRate),
    start: () => engine.seek(0),
    end: () => engine.seek(samples),
    loop: toggleLoop,
    loopStart: () => moveLoop(engine.position, Math.max(loop?.to ?? samples, engine.position)),
    loopEnd: () => moveLoop(Math.min(loop?.from ?? 0, engine.position), engine.position),
    zoomIn: () => zoom(2),
    zoomOut: () => zoom(0.5),
    zoomReset: () => setView(wholeSongView(layout)),
    original: () => setWhole(!whole && original !== null),
    mute: (index: number) => setChannels(toggled(channels, stems[index]?.name ?? '', 'muted')),
    solo: (index: number) => setChannels(toggled(channels, stems[index]?.name ?? '', 'solo')),
  }
  useShortcuts(actions, hasKeys)

  return (
    <>
      {status.video_url != null && (
        <Picture url={status.video_url} title={title} engine={engine} tempo={player.practice.tempo} start={status.start} />
      )}
      <div className="transport" role="group" aria-label={`Play ${title}`}>
        <button type="button" className="primary play" onClick={toggle} aria-label={playing ? 'Pause' : 'Play'}>
          <Icon name={playing ? 'pause' : 'play'} />
        </button>
        <p className="time">
          <span ref={timeText}>0:00</span>
          <small> / {formatTime(samples / sampleRate)}</small>
        </p>
        <button type="button" aria-pressed={loop !== null} onClick={toggleLoop}>
          <Icon name="loop" /> Loop
        </button>
        <span className="buffering" role="status">
          {buffering && playing ? 'Loading…' : ''}
        </span>
      </div>
      <Practice player={player} />
      <Loops loop={loop} setLoop={setLoop} tools={tools} setTools={setTools} engine={engine} />
      {problem !== null && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
      <div className="lanes" ref={timeline}>
        <div className="overview-row">
          <Zoom view={view} layout={layout} zoom={zoom} />
          <Overview engine={engine} stems={stems} fullLevel={fullLevel} view={view} setView={setView} />
        </div>
        <Ruler timeline={rows} />
        {original !== null && (
          <OriginalLane
            stems={original}
            fullLevel={fullLevel}
            timeline={rows}
            on={whole}
            setOn={setWhole}
          />
        )}
        {stems.map((stem) => (
          <Lane
            key={stem.name}
            title={title}
            stem={stem}
            file={(status.output_files ?? []).find((file) => file.type === stem.name) ?? stem.file}
            fullLevel={fullLevel}
            mix={channels}
            heard={!whole}
            groups={groups}
            setMix={setChannels}
            timeline={rows}
            split={
              editor === null || stem.name in groups || stem.name === SONG ? null : (
                <SplitControl status={status} stem={stem.name} list={editor} models={models} />
              )
            }
          />
        ))}
        <ClickLane mix={channels} setMix={setChannels} timeline={rows} />
      </div>
      {editor !== null && (
        <Comparison status={status} list={editor} models={models} engine={engine} loop={loop} compared={compared} />
      )}
    </>
  )
}
