/** All stems of a song on one timeline. */
import { useEffect, useRef } from 'react'
import type { ServerConfig, Status } from '../api/types'
import { clock } from '../lib/format'
import { stemClass, stemName } from '../lib/stems'
import { withChannel } from '../player/mixer'
import { loudest } from '../player/peaks'
import { loopBetween } from '../player/schedule'
import type { SongList } from '../songs/list'
import { Downloads } from './Downloads'
import { Icon } from './Icon'
import { Lane } from './Lane'
import { Ruler } from './Ruler'
import { useKeys } from './useKeys'
import { loopFrom, type Playing, playable, usePlayer } from './usePlayer'

interface Props {
  title: string
  status: Status
  list: SongList
  config: ServerConfig
  onDelete: () => void
}

export function Player({ title, status, list, config, onDelete }: Props) {
  const id = status.session_id
  const player = usePlayer(status, () => list.refresh(id))
  const ready = player !== null && player !== 'failed'
  return (
    <div className="player">
      {ready && player.stems.length > 0 && <Console title={title} player={player} status={status} />}
      {player === null && <Waiting status={status} />}
      {player === 'failed' && (
        <p className="problem">The waveforms could not be fetched, so the stems can’t be played here just now.</p>
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
        config={config}
        list={list}
        onDelete={onDelete}
      />
    </div>
  )
}

/** Lanes without waveforms, so that nothing jumps when these come. */
function Waiting({ status }: { status: Status }) {
  return (
    <div className="lanes" aria-busy="true">
      {playable(status).map((file) => (
        <div key={file.type} className={`lane ${stemClass(file.type)}`}>
          <div className="strip">
            <span className="stem-name">{stemName(file.type)}</span>
          </div>
          <div className="wave" />
        </div>
      ))}
    </div>
  )
}

function Console({ title, player, status }: { title: string; player: Playing; status: Status }) {
  const { engine, stems, mix, setMix, loop, setLoop, playing, waiting, problem } = player
  const timeline = useRef<HTMLDivElement>(null)
  const time = useRef<HTMLSpanElement>(null)
  const { samples, sampleRate } = engine.layout
  const full = loudest(stems.map((stem) => stem.peaks))
  const toggle = () => {
    if (playing) engine.pause()
    else void engine.play()
  }
  useKeys({
    toggle,
    move: (seconds) => engine.seek(engine.place + seconds * sampleRate),
    start: () => engine.seek(0),
    end: () => engine.seek(samples),
    loop: () => setLoop(loop === null ? loopFrom(engine) : null),
    loopFrom: () => setLoop(loopBetween(engine.place, Math.max(loop?.to ?? samples, engine.place), engine.layout)),
    loopTo: () => setLoop(loopBetween(Math.min(loop?.from ?? 0, engine.place), engine.place, engine.layout)),
    mute: (place) => {
      const name = stems[place]?.name
      if (name !== undefined) setMix(withChannel(mix, name, { muted: mix[name]?.muted !== true }))
    },
    solo: (place) => {
      const name = stems[place]?.name
      if (name !== undefined) setMix(withChannel(mix, name, { solo: mix[name]?.solo !== true }))
    },
  })

  // Straight into the page, 60 times a second: React need not know of each place.
  useEffect(() => {
    let frame = 0
    let last = -1
    const step = () => {
      frame = requestAnimationFrame(step)
      const { place } = engine
      if (place === last) return
      last = place
      timeline.current?.style.setProperty('--at', String(place / samples))
      const now = clock(place / sampleRate)
      if (time.current !== null && time.current.textContent !== now) time.current.textContent = now
    }
    step()
    return () => cancelAnimationFrame(frame)
  }, [engine, samples, sampleRate])

  return (
    <>
      <div className="transport" role="group" aria-label={`Play ${title}`}>
        <button type="button" className="primary play" onClick={toggle} aria-label={playing ? 'Pause' : 'Play'}>
          <Icon name={playing ? 'pause' : 'play'} />
        </button>
        <p className="time">
          <span ref={time}>0:00</span>
          <small> / {clock(samples / sampleRate)}</small>
        </p>
        <button
          type="button"
          className="toggle"
          aria-pressed={loop !== null}
          onClick={() => setLoop(loop === null ? loopFrom(engine) : null)}
        >
          <Icon name="loop" /> Loop
        </button>
        <span className="hint" role="status">
          {waiting && playing ? 'Fetching the sound…' : ''}
        </span>
      </div>
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
            link={(status.output_files ?? []).find((file) => file.type === stem.name) ?? stem.file}
            full={full}
            mix={mix}
            setMix={setMix}
            loop={loop}
            engine={engine}
          />
        ))}
      </div>
    </>
  )
}
