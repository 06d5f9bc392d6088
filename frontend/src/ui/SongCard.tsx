/** One song, from its upload to its stems. */
import { useId, useRef, useState } from 'react'
import { inWords } from '../api/problem'
import type { ServerConfig } from '../api/types'
import { clock, day, title } from '../lib/format'
import { stemClass, stemName, stemsOf } from '../lib/stems'
import type { SongList } from '../songs/list'
import { type Phase, phaseOf, type Song } from '../songs/song'
import { Braid } from './Braid'
import { Icon } from './Icon'
import { Player } from './Player'
import { playable } from './usePlayer'
import { wordsFor } from './words'

interface Props {
  song: Song
  list: SongList
  now: number
  config: ServerConfig
  open: boolean
  onToggle: () => void
}

export function SongCard({ song, list, now, config, open, onToggle }: Props) {
  const phase = phaseOf(song, now)
  const name = useId()
  const [problem, setProblem] = useState<string | null>(null)
  const attempt = (action: Promise<unknown>) => {
    setProblem(null)
    action.catch((error: unknown) => setProblem(inWords(error)))
  }
  const done = phase === 'done' && song.status !== null
  return (
    <li className={`card ${phase.replaceAll(' ', '-')}${open ? ' open' : ''}`}>
      <article aria-labelledby={name}>
        <header>
          <h2 id={name} title={song.name}>
            {done ? (
              <button type="button" className="title" aria-expanded={open} onClick={onToggle}>
                <Icon name="down" />
                {title(song.name)}
              </button>
            ) : (
              title(song.name)
            )}
          </h2>
          {done ? <Facts song={song} now={now} /> : <Actions song={song} phase={phase} list={list} attempt={attempt} />}
        </header>
        {!done && <Progress song={song} phase={phase} name={name} wakes={config.wakes} />}
        {problem !== null && (
          <p className="problem" role="alert">
            {problem}
          </p>
        )}
        {done && open && song.status !== null && (
          <Player
            key={song.key}
            title={title(song.name)}
            status={song.status}
            list={list}
            config={config}
            onDelete={() => attempt(list.remove(song.key))}
          />
        )}
      </article>
    </li>
  )
}

function Facts({ song, now }: { song: Song; now: number }) {
  const files = song.status === null ? [] : playable(song.status)
  const until = song.status?.expires_at
  return (
    <p className="facts">
      <span className="dots">
        {files.map((file) => (
          <i key={file.type} className={stemClass(file.type)} />
        ))}
      </span>
      <span>{files.length === 2 ? files.map((file) => stemName(file.type)).join(', ') : `${files.length} stems`}</span>
      {song.status?.duration != null && <span>{clock(song.status.duration)}</span>}
      {song.status?.model != null && <span>{song.status.model}</span>}
      {until !== undefined && <span className="until">kept until {day(until, now / 1000)}</span>}
    </p>
  )
}

interface ProgressProps {
  song: Song
  phase: Phase
  name: string
  wakes: boolean
}

function Progress({ song, phase, name, wakes }: ProgressProps) {
  const { line, left, hint, fraction } = wordsFor(song, phase, wakes)
  const stems = stemsOf(song.choices?.stems ?? song.status?.stems ?? 'vocals', ['vocals', 'drums', 'bass', 'other'])
  const uploading = phase === 'uploading' || phase === 'waiting' || phase === 'uploading elsewhere'
  return (
    <>
      {fraction !== null && (
        <div
          className="progress"
          role="progressbar"
          aria-labelledby={name}
          aria-valuemin={0}
          aria-valuemax={100}
          aria-valuenow={Math.floor(fraction * 100)}
          aria-valuetext={left === '' ? line : `${line}, ${left}`}
        >
          <Braid
            stems={stems}
            apart={uploading ? 0 : fraction}
            present={uploading ? fraction : 1}
            alive={phase === 'working'}
          />
        </div>
      )}
      <p className="state">
        <span>{line}</span>
        {left !== '' && <span className="left">{left}</span>}
      </p>
      {hint !== '' && <p className="why">{hint}</p>}
      {(song.status?.warnings ?? []).map((warning) => (
        <p key={warning} className="warning">
          {warning}
        </p>
      ))}
    </>
  )
}

interface ActionsProps {
  song: Song
  phase: Phase
  list: SongList
  attempt: (action: Promise<unknown>) => void
}

function Actions({ song, phase, list, attempt }: ActionsProps) {
  const picker = useRef<HTMLInputElement>(null)
  const called = title(song.name)
  const ended = ['failed', 'cancelled', 'upload failed'].includes(phase)
  const under = ['waiting', 'uploading', 'queued', 'working'].includes(phase)
  return (
    <p className="actions">
      {ended && (
        <button type="button" onClick={() => attempt(list.retry(song.key))} aria-label={`Try again: ${called}`}>
          <Icon name="retry" /> Try again
        </button>
      )}
      {phase === 'interrupted' && (
        <>
          <button type="button" onClick={() => picker.current?.click()} aria-label={`Choose the file of ${called}`}>
            <Icon name="upload" /> Choose the file
          </button>
          <input
            ref={picker}
            type="file"
            hidden
            onChange={(event) => {
              const file = event.target.files?.[0]
              if (file !== undefined) attempt(list.bringAgain(song.key, file))
            }}
          />
        </>
      )}
      {under && (
        <button type="button" onClick={() => attempt(list.cancel(song.key))} aria-label={`Cancel ${called}`}>
          <Icon name="close" /> Cancel
        </button>
      )}
      {(ended || phase === 'interrupted') && (
        <button type="button" onClick={() => attempt(list.remove(song.key))} aria-label={`Remove ${called}`}>
          <Icon name="delete" /> Remove
        </button>
      )}
    </p>
  )
}
