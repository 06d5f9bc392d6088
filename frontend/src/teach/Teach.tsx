/** Teach a model from the user's own stems: choose songs, see the check, start, watch, compare, keep. */
import { type DragEvent, useRef, useState } from 'react'
import type { Connection } from '../api/http'
import { Icon } from '../ui/Icon'
import { TeachCheck } from './TeachCheck'
import { TeachCurve } from './TeachCurve'
import { TeachForm } from './TeachForm'
import { TeachOffer } from './TeachOffer'
import { TeachResult } from './TeachResult'
import { TeachingClient } from './client'
import { chosen, dropped } from './paths'
import { stepText } from './steps'
import type { Teaching } from './types'
import { type TeachingState, useTeaching } from './useTeaching'

interface Props {
  connection: Connection
  /** The list of models has changed. */
  onModels: () => void
}

export function Teach({ connection, onModels }: Props) {
  const [client] = useState(() => new TeachingClient(connection))
  const [open, setOpen] = useState(false)
  const state = useTeaching(client, open)
  return (
    <section className="models" aria-labelledby="models-title">
      <h2 id="models-title" className="visually-hidden">
        Models
      </h2>
      <details className="teach" onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary>
          <span>
            <strong>Teach it</strong> your singer, your band or your drum kit
          </span>
          <Icon name="down" />
        </summary>
        {open && <Panel state={state} client={client} onModels={onModels} />}
      </details>
    </section>
  )
}

interface PanelProps extends Pick<Props, 'onModels'> {
  state: TeachingState
  client: TeachingClient
}

function Panel({ state, client, onModels }: PanelProps) {
  const { teaching, problem, uploads } = state
  const [kept, setKept] = useState<string | null>(null)
  const failure = problem ?? teaching?.problem ?? null
  const finish = async (keep: boolean) => {
    const name = teaching?.name ?? ''
    if (!(await state.finish(keep))) return
    setKept(keep ? name : null)
    if (keep) onModels()
  }
  return (
    <div className="teach-panel" aria-busy={teaching === null}>
      {teaching !== null && <Step state={state} client={client} onFinish={(keep) => void finish(keep)} />}
      {uploads !== null && (
        <p role="status">
          Sending stems: {uploads.done} of {uploads.of}
        </p>
      )}
      {kept !== null && teaching?.phase === 'none' && (
        <p role="status">“{kept}” is in the list of models now. Choose it for your next song.</p>
      )}
      {failure !== null && (
        <p className="problem" role="alert">
          {failure}
        </p>
      )}
    </div>
  )
}

interface StepProps extends Pick<PanelProps, 'state' | 'client'> {
  onFinish: (keep: boolean) => void
}

function Step({ state, client, onFinish }: StepProps) {
  const { teaching, uploads } = state
  if (teaching === null) return null
  const { phase, check, result } = teaching
  if (teaching.busy) return <p>Another person is teaching a model on this server. Only one can be taught at a time.</p>
  if (phase === 'ended' && result !== null)
    return <TeachResult name={teaching.name} result={result} curve={teaching.curve} client={client} onFinish={onFinish} />
  if (phase === 'teaching') return <TeachCurve teaching={teaching} onStop={state.stop} onDiscard={() => onFinish(false)} />
  if (phase === 'cancelling') return <Cancelling teaching={teaching} onForget={() => onFinish(false)} />
  if (phase === 'offering') return <Offering onBack={state.stop} />
  if (phase === 'offered' && teaching.offer !== null)
    return <TeachOffer offer={teaching.offer} onAccept={state.accept} onBack={state.stop} />
  const ready = check !== null && check.problem === null && (phase === 'checked' || phase === 'failed')
  return (
    <>
      {teaching.unavailable !== null && teaching.aws === null && <p className="notice">{teaching.unavailable}</p>}
      {uploads === null && phase !== 'checking' && <AddSongs state={state} first={phase === 'none'} />}
      {phase === 'checking' && <p aria-busy="true">Listening to your songs …</p>}
      {phase === 'collecting' && uploads === null && (
        <button type="button" onClick={state.check}>
          Check the {teaching.stems.length} files that are here
        </button>
      )}
      {check !== null && phase !== 'checking' && <TeachCheck check={check} />}
      {ready && (teaching.unavailable === null || teaching.aws !== null) && (
        <TeachForm teaching={teaching} check={check} onStart={state.start} />
      )}
      {phase !== 'none' && uploads === null && (
        <button type="button" className="quiet" onClick={() => onFinish(false)}>
          Delete these songs
        </button>
      )}
    </>
  )
}

function Offering({ onBack }: { onBack: () => void }) {
  return (
    <>
      <p role="status" aria-busy="true">
        Asking AWS what it costs …
      </p>
      <button type="button" onClick={onBack}>
        Back
      </button>
    </>
  )
}

/** What is in AWS is being deleted. Without a connection, the user doesn't have to wait for that. */
function Cancelling({ teaching, onForget }: { teaching: Teaching; onForget: () => void }) {
  const lost = teaching.step === 'unreachable'
  return (
    <>
      <p role="status" aria-busy={!lost}>
        {lost ? stepText(teaching) : 'Stopping it, and deleting your songs in AWS …'}
      </p>
      {lost && teaching.detail !== null && <p className="soft">{teaching.detail}</p>}
      {lost && (
        <button type="button" className="quiet" onClick={onForget}>
          Don’t wait: AWS deletes the songs within a week
        </button>
      )}
    </>
  )
}

/** Choose or drop folders of stems. */
function AddSongs({ state, first }: { state: TeachingState; first: boolean }) {
  const folder = useRef<HTMLInputElement>(null)
  const files = useRef<HTMLInputElement>(null)
  const [over, setOver] = useState(false)
  const stay = (event: DragEvent) => {
    event.preventDefault()
    event.stopPropagation() // elsewhere on the page, files are songs to separate
  }
  const drop = (event: DragEvent) => {
    stay(event)
    setOver(false)
    void dropped(event.dataTransfer).then(state.add)
  }
  return (
    <div
      className={`teach-drop${over ? ' over' : ''}`}
      onDragEnter={(event) => {
        stay(event)
        setOver(true)
      }}
      onDragOver={stay}
      onDragLeave={(event) => {
        stay(event)
        setOver(false)
      }}
      onDrop={drop}
    >
      {first && (
        <p>
          A model that knows your sound separates it better. You need songs whose stems you have, such as exports of
          your recordings: a folder for each song, with one file for each stem, under the same names.
        </p>
      )}
      <p className="buttons">
        <button type="button" className={first ? 'primary' : ''} onClick={() => folder.current?.click()}>
          {first ? 'Choose a folder' : 'Add a folder'}
        </button>
        <button type="button" onClick={() => files.current?.click()}>
          {first ? 'Choose stem files' : 'Add stem files'}
        </button>
        <span className="or">or drop them here.</span>
      </p>
      {first && <p className="soft">They stay on this server, and are deleted when the model is ready.</p>}
      <input
        ref={folder}
        type="file"
        hidden
        multiple
        aria-label="Folder of songs"
        {...{ webkitdirectory: '' }}
        onChange={(event) => state.add(chosen(event.target.files))}
      />
      <input
        ref={files}
        type="file"
        hidden
        multiple
        aria-label="Stem files"
        onChange={(event) => state.add(chosen(event.target.files))}
      />
    </div>
  )
}
