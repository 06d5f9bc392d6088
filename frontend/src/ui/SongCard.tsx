/** The card of one song, from its upload to its stems. */
import { useEffect, useId, useRef, useState } from 'react'
import { errorMessage } from '../api/problem'
import type { Models, ServerConfig } from '../api/types'
import { formatDay, formatPart, formatTime, songTitle } from '../lib/format'
import { stemClass, stemName, stemsOf } from '../lib/stems'
import { isWaiting } from '../player/handover'
import type { SongList } from '../songs/list'
import { canRetry, type Phase, phaseOf, type Song } from '../songs/song'
import { Braid, FOUR_STEMS } from './Braid'
import { Icon } from './Icon'
import { Growing } from './Growing'
import { Player } from './Player'
import { SongMenu } from './SongMenu'
import { musicText, statusText } from './statusText'
import { playableFiles } from './usePlayer'

interface Props {
  song: Song
  list: SongList
  now: number
  config: ServerConfig
  models: Models | null
  open: boolean
  onToggle: () => void
}

/** Phases in which a song has a menu, unless the file itself is at fault. */
const MENU: readonly Phase[] = ['done', 'failed', 'cancelled']

/** Phases in which the original can be heard, and the stems so far. */
const HEARD: readonly Phase[] = ['waiting', 'uploading', 'queued', 'working']

export function SongCard({ song, list, now, config, models, open, onToggle }: Props) {
  const phase = phaseOf(song, now)
  const title = songTitle(song.name)
  const titleId = useId()
  const [problem, setProblem] = useState<string | null>(null)
  const attempt = (action: Promise<unknown>) => {
    setProblem(null)
    action.catch((error: unknown) => setProblem(errorMessage(error)))
  }
  const done = phase === 'done' && song.status !== null
  useEffect(() => {
    // A song that sounds when it is done goes on in its player.
    if (done && !open && isWaiting(song.id ?? '')) onToggle()
  }, [done, open, song.id, onToggle])
  return (
    <li className={`card ${phase.replaceAll(' ', '-')}${open ? ' open' : ''}`}>
      <article aria-labelledby={titleId}>
        <header>
          <h2 id={titleId} title={song.name}>
            {done ? (
              <button type="button" className="title" aria-expanded={open} onClick={onToggle}>
                <Icon name="down" />
                {title}
              </button>
            ) : (
              title
            )}
          </h2>
          {done ? <Facts song={song} now={now} /> : <Actions song={song} phase={phase} list={list} attempt={attempt} />}
          {song.status !== null && MENU.includes(phase) && canRetry(song) && (
            <SongMenu name={song.name} status={song.status} list={list} config={config} models={models} />
          )}
        </header>
        {!done && <Progress song={song} phase={phase} titleId={titleId} wakes={config.wakes} />}
        {HEARD.includes(phase) && <Growing key={song.key} song={song} title={title} list={list} />}
        {problem !== null && (
          <p className="problem" role="alert">
            {problem}
          </p>
        )}
        {done && open && song.status !== null && (
          <Player
            key={song.key}
            title={title}
            status={song.status}
            list={list}
            editor={list}
            config={config}
            models={models}
            onDelete={() => attempt(list.remove(song.key))}
          />
        )}
      </article>
    </li>
  )
}

function Facts({ song, now }: { song: Song; now: number }) {
  const files = song.status === null ? [] : playableFiles(song.status).filter((file) => file.from == null)
  const music = song.status === null ? '' : musicText(song.status)
  const expiresAt = song.status?.expires_at
  const part = formatPart(song.status?.start, song.status?.end)
  return (
    <p className="facts">
      <span className="dots">
        {files.map((file) => (
          <i key={file.type} className={stemClass(file.type)} />
        ))}
      </span>
      <span>{namesOrCount(files.map((file) => file.type))}</span>
      {song.status?.duration != null && <span>{formatTime(song.status.duration)}</span>}
      {part !== '' && <span>{part}</span>}
      {music !== '' && <span>{music}</span>}
      {song.status?.model != null && <span>{song.status.model}</span>}
      {song.status?.share_id != null && <span>shared</span>}
      {song.status?.kept === true ? (
        <span>kept</span>
      ) : (
        expiresAt !== undefined && <span>expires {formatDay(expiresAt, now / 1000)}</span>
      )}
    </p>
  )
}

function namesOrCount(types: readonly string[]): string {
  return types.length <= 2 ? types.map(stemName).join(', ') : `${types.length} stems`
}

interface ProgressProps {
  song: Song
  phase: Phase
  titleId: string
  wakes: boolean
}

function Progress({ song, phase, titleId, wakes }: ProgressProps) {
  const { line, remaining, hint, reason, fraction } = statusText(song, phase, wakes)
  const stems = stemsOf(song.choices?.stems ?? song.status?.stems ?? 'vocals', FOUR_STEMS)
  const uploading = phase === 'uploading' || phase === 'waiting' || phase === 'uploading elsewhere'
  const whole = uploading || song.status?.stage === 'downloading'
  return (
    <>
      {fraction !== null && (
        <div
          className="progress"
          role="progressbar"
          aria-labelledby={titleId}
          aria-valuemin={0}
          aria-valuemax={100}
          aria-valuenow={Math.floor(fraction * 100)}
          aria-valuetext={remaining === '' ? line : `${line}, ${remaining}`}
        >
          <Braid
            stems={stems}
            apart={whole ? 0 : fraction}
            present={uploading ? fraction : 1}
            animated={phase === 'working'}
          />
        </div>
      )}
      <p className="state">
        <span>{line}</span>
        {remaining !== '' && <span>{remaining}</span>}
      </p>
      {hint !== '' && <p className="wait-hint">{hint}</p>}
      {reason !== '' && <p className="reason">{reason}</p>}
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
  const title = songTitle(song.name)
  const ended = ['failed', 'cancelled', 'upload failed'].includes(phase)
  const active = ['waiting', 'uploading', 'queued', 'working'].includes(phase)
  return (
    <p className="actions">
      {ended && canRetry(song) && (
        <button type="button" onClick={() => attempt(list.retry(song.key))} aria-label={`Try again: ${title}`}>
          <Icon name="retry" /> Try again
        </button>
      )}
      {phase === 'interrupted' && (
        <>
          <button type="button" onClick={() => picker.current?.click()} aria-label={`Choose the file of ${title}`}>
            <Icon name="upload" /> Choose the file
          </button>
          <input
            ref={picker}
            type="file"
            hidden
            onChange={(event) => {
              const file = event.target.files?.[0]
              if (file !== undefined) attempt(list.uploadAgain(song.key, file))
            }}
          />
        </>
      )}
      {active && (
        <button type="button" onClick={() => attempt(list.cancel(song.key))} aria-label={`Cancel ${title}`}>
          <Icon name="close" /> Cancel
        </button>
      )}
      {(ended || phase === 'interrupted') && (
        <button type="button" onClick={() => attempt(list.remove(song.key))} aria-label={`Remove ${title}`}>
          <Icon name="delete" /> Remove
        </button>
      )}
    </p>
  )
}
