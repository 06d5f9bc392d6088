/** The menu of a song: its name, keeping it, sharing it, and separating it again. */
import { useId, useRef, useState } from 'react'
import { errorMessage } from '../api/problem'
import type { Choices, Models, ServerConfig, Status } from '../api/types'
import { songTitle } from '../lib/format'
import { choicesFor, readChoices } from '../songs/choices'
import { keep, rename, separateAgain, share, shareLink } from '../songs/library'
import type { SongList } from '../songs/list'
import { ChoicesForm } from './ChoicesForm'
import { Icon } from './Icon'
import { availableChoices } from './models'

interface Props {
  name: string
  status: Status
  list: SongList
  config: ServerConfig
  models: Models | null
}

export function SongMenu({ name, status, list, config, models }: Props) {
  const dialog = useRef<HTMLDialogElement>(null)
  const [open, setOpen] = useState(false)
  const title = songTitle(name)
  return (
    <>
      <button
        type="button"
        className="more"
        aria-haspopup="dialog"
        aria-label={`More for ${title}`}
        title="Rename, keep, share, separate again"
        onClick={() => {
          setOpen(true)
          dialog.current?.showModal()
        }}
      >
        <Icon name="more" />
      </button>
      <dialog ref={dialog} className="song-menu" aria-label={title} onClose={() => setOpen(false)}>
        {open && (
          <Menu name={name} status={status} list={list} config={config} models={models} close={() => dialog.current?.close()} />
        )}
      </dialog>
    </>
  )
}

function Menu({ name, status, list, config, models, close }: Props & { close: () => void }) {
  const id = status.session_id
  const type = status.video_url == null ? '' : 'video/'
  const done = status.status === 'COMPLETED'
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<string | null>(null)
  const attempt = (action: Promise<unknown>, then?: () => void) => {
    setBusy(true)
    setProblem(null)
    action
      .then(then, (error: unknown) => setProblem(errorMessage(error)))
      .finally(() => setBusy(false))
  }
  return (
    <>
      <h2>{songTitle(name)}</h2>
      <Rename name={name} busy={busy} onRename={(title) => attempt(rename(list, id, title))} />
      {done && (
        <label className="check">
          <input
            type="checkbox"
            checked={status.kept === true}
            disabled={busy}
            onChange={(event) => attempt(keep(list, id, event.target.checked))}
          />
          <span>Keep this song: it never expires</span>
        </label>
      )}
      {done && (
        <Share
          shareId={status.share_id ?? null}
          hasPassword={config.password === true}
          kept={status.kept === true}
          busy={busy}
          onChange={(shared) => attempt(share(list, id, shared))}
        />
      )}
      <Again
        config={config}
        models={models}
        busy={busy}
        onStart={(choices) => attempt(separateAgain(list, id, choicesFor({ name, type }, choices)), close)}
      />
      {problem !== null && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
      <p className="answers">
        <button type="button" onClick={close}>
          Close
        </button>
      </p>
    </>
  )
}

function Rename({ name, busy, onRename }: { name: string; busy: boolean; onRename: (title: string) => void }) {
  const [title, setTitle] = useState(songTitle(name))
  const unchanged = title.trim() === '' || title.trim() === songTitle(name)
  return (
    <form
      className="rename"
      onSubmit={(event) => {
        event.preventDefault()
        if (!unchanged) onRename(title.trim())
      }}
    >
      <label>
        <span>Name</span>
        <input type="text" value={title} maxLength={200} onChange={(event) => setTitle(event.target.value)} />
      </label>
      <button type="submit" disabled={busy || unchanged}>
        Rename
      </button>
    </form>
  )
}

interface ShareProps {
  shareId: string | null
  /** Whether the server asks for a password, though not for this song. */
  hasPassword: boolean
  /** Whether the song never expires. */
  kept: boolean
  busy: boolean
  onChange: (shared: boolean) => void
}

function Share({ shareId, hasPassword, kept, busy, onChange }: ShareProps) {
  const note = useId()
  const [copied, setCopied] = useState(false)
  if (shareId === null)
    return (
      <section>
        <button type="button" disabled={busy} aria-describedby={note} onClick={() => onChange(true)}>
          <Icon name="share" /> Share a link
        </button>
        <p id={note}>
          Anyone with the link can listen, mix and download{hasPassword && ', without the password'}. They can’t change or
          delete the song.
        </p>
      </section>
    )
  const link = shareLink(location.href, shareId, hasPassword)
  return (
    <section>
      <p className="share-link">
        <input type="text" readOnly aria-label="Link to share" value={link} onFocus={(event) => event.target.select()} />
        <button type="button" onClick={() => void navigator.clipboard.writeText(link).then(() => setCopied(true), () => undefined)}>
          Copy
        </button>
      </p>
      <p role="status">
        {copied ? 'Copied.' : `The link works until ${kept ? 'you' : 'the song expires or you'} stop sharing.`}
      </p>
      <button type="button" disabled={busy} onClick={() => onChange(false)}>
        Stop sharing
      </button>
    </section>
  )
}

interface AgainProps {
  config: ServerConfig
  models: Models | null
  busy: boolean
  onStart: (choices: Choices) => void
}

function Again({ config, models, busy, onStart }: AgainProps) {
  const [chosen, setChosen] = useState(readChoices)
  const [shown, setShown] = useState(false)
  const choices = availableChoices(chosen, models, config)
  if (!shown)
    return (
      <button type="button" onClick={() => setShown(true)}>
        <Icon name="split" /> Separate again with …
      </button>
    )
  return (
    <section aria-label="Separate again">
      <ChoicesForm models={models} config={config} choices={choices} collapsed={false} onChange={setChosen} />
      <button type="button" className="primary" disabled={busy} onClick={() => onStart(choices)}>
        Separate again
      </button>
      <p>The song doesn’t have to be uploaded again. Its other stems stay.</p>
    </section>
  )
}
