/** The open song: transport, mixer and downloads. */
import { useRef } from 'react'
import type { Models, ServerConfig, Status } from '../api/types'
import { formatTime } from '../lib/format'
import { SONG, stemClass } from '../lib/stems'
import { toggled, wholeSong } from '../player/mixer'
import { peakLevel } from '../player/peaks'
import { loopBetween } from '../player/schedule'
import type { SongList } from '../songs/list'
import { type ComparedPlayer, Comparison } from './Comparison'
import { Downloads } from './Downloads'
import { Icon } from './Icon'
import { Lane, laneName } from './Lane'
import { Picture } from './Picture'
import { Practice } from './Practice'
import { Ruler } from './Ruler'
import { SplitControl } from './SplitControl'
import { type LoadedPlayer, loopFromPlayhead, playableFiles, usePlayer } from './usePlayer'
import { usePlayhead } from './usePlayhead'
import { useShortcuts } from './useShortcuts'

interface Props {
  title: string
  status: Status
  list: Pick<SongList, 'client' | 'refresh'>
  /** The list that may change the song; null: it may only be heard and downloaded. */
  editor: SongList | null
  config: ServerConfig
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
        mix={ready ? player.mix : null}
        groups={ready ? player.groups : {}}
        asRecorded={!ready || (player.practice.tempo === 1 && player.practice.key === 0)}
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

interface TimelineProps {
  title: string
  player: LoadedPlayer
  status: Status
  editor: SongList | null
  models: Models | null
}

function Timeline({ title, player, status, editor, models }: TimelineProps) {
  const { engine, stems, groups, mix, setMix, loop, setLoop, choice, whole, setWhole, playing, buffering, problem } = player
  const { timeline, timeText } = usePlayhead(engine)
  const compared = useRef<ComparedPlayer | null>(null)
  const { samples, sampleRate } = engine.layout
  const fullLevel = peakLevel(stems.map((stem) => stem.peaks))
  const toggle = () => {
    if (playing) engine.pause()
    else {
      compared.current?.handOver()
      void engine.play()
    }
  }
  const toggleLoop = () => setLoop(loop === null ? loopFromPlayhead(engine) : null)
  useShortcuts({
    toggle,
    move: (seconds) => engine.seek(engine.position + seconds * sampleRate),
    start: () => engine.seek(0),
    end: () => engine.seek(samples),
    loop: toggleLoop,
    loopStart: () => setLoop(loopBetween(engine.position, Math.max(loop?.to ?? samples, engine.position), engine.layout)),
    loopEnd: () => setLoop(loopBetween(Math.min(loop?.from ?? 0, engine.position), engine.position, engine.layout)),
    wholeSong: () => setWhole(!whole && wholeSong(stems.map((stem) => stem.name), choice, groups) !== null),
    mute: (index) => setMix(toggled(mix, stems[index]?.name ?? '', 'muted')),
    solo: (index) => setMix(toggled(mix, stems[index]?.name ?? '', 'solo')),
  })

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
      {problem !== null && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
      <div className="lanes" ref={timeline}>
        <Ruler engine={engine} loop={loop} setLoop={setLoop} />
        {stems.map((stem) => (
          <Lane
            key={stem.name}
            stem={stem}
            file={(status.output_files ?? []).find((file) => file.type === stem.name) ?? stem.file}
            fullLevel={fullLevel}
            mix={mix}
            groups={groups}
            setMix={setMix}
            loop={loop}
            engine={engine}
            split={
              editor === null || stem.name in groups || stem.name === SONG ? null : (
                <SplitControl status={status} stem={stem.name} list={editor} models={models} />
              )
            }
          />
        ))}
      </div>
      {editor !== null && (
        <Comparison status={status} list={editor} models={models} engine={engine} loop={loop} compared={compared} />
      )}
    </>
  )
}
