/** What there is to take away: everything, the mix as it is set now, or each file; and how to get rid of it. */
import { useRef, useState } from 'react'
import { inWords } from '../api/problem'
import type { ServerConfig, Status } from '../api/types'
import { size } from '../lib/format'
import { gains, type Mix } from '../player/mixer'
import type { SongList } from '../songs/list'
import { offers } from './offers'
import { Icon } from './Icon'

interface Props {
  title: string
  status: Status
  mix: Mix | null
  config: ServerConfig
  list: SongList
  onDelete: () => void
}

export function Downloads({ title, status, mix, config, list, onDelete }: Props) {
  const dialog = useRef<HTMLDialogElement>(null)
  const [format, setFormat] = useState(status.format ?? 'wav')
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<string | null>(null)
  const { zip, files, mixing } = offers(status, mix !== null, config.mixes)
  const wanted = mix === null ? null : gains(mix)
  const silent = wanted === null || Object.values(wanted).every((gain) => gain === 0)
  const exportMix = async () => {
    if (wanted === null) return
    setBusy(true)
    setProblem(null)
    try {
      save(await list.client.mix(status.session_id, wanted, format))
    } catch (error) {
      setProblem(inWords(error))
    } finally {
      setBusy(false)
    }
  }
  return (
    <>
      <div className="downloads">
        {zip !== null && (
          <a className="button" href={zip} download>
            <Icon name="download" /> All as ZIP
          </a>
        )}
        {files.map((file) => (
          <a key={file.type} className="button" href={file.s3_url} download>
            <Icon name="download" /> {file.filename} <small>{size(file.size)}</small>
          </a>
        ))}
        {mixing && (
          <span className="export">
            <button type="button" disabled={busy || silent} onClick={() => void exportMix()}>
              <Icon name="download" /> {busy ? 'Mixing…' : 'This mix'}
            </button>
            <select aria-label="Format of the mix" value={format} onChange={(event) => setFormat(event.target.value)}>
              {config.formats.map((name) => (
                <option key={name} value={name}>
                  {name.toUpperCase()}
                </option>
              ))}
            </select>
          </span>
        )}
        <button type="button" className="quiet" onClick={() => dialog.current?.showModal()}>
          <Icon name="delete" /> Delete now
        </button>
      </div>
      {problem !== null && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
      <dialog ref={dialog} aria-labelledby={`delete-${status.session_id}`}>
        <h2 id={`delete-${status.session_id}`}>Delete “{title}”?</h2>
        <p>The song and everything made of it are deleted from the server at once. This can’t be undone.</p>
        <p className="choice">
          <button type="button" autoFocus onClick={() => dialog.current?.close()}>
            Keep it
          </button>
          <button
            type="button"
            className="danger"
            onClick={() => {
              dialog.current?.close()
              onDelete()
            }}
          >
            Delete it
          </button>
        </p>
      </dialog>
    </>
  )
}

/** The server sends it as a file to be saved, so the page stays where it is. */
function save(url: string): void {
  const link = document.createElement('a')
  link.href = url
  link.download = ''
  link.click()
}
