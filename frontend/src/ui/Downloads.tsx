/** Downloads of a song, and the button that deletes it. */
import { useRef, useState } from 'react'
import { errorMessage } from '../api/problem'
import type { ServerConfig, Status } from '../api/types'
import { formatSize } from '../lib/format'
import { STEM_FILE } from '../lib/stems'
import { gains, type Groups, type Mix } from '../player/mixer'
import type { SongList } from '../songs/list'
import { downloadLinks } from './downloadLinks'
import { Icon } from './Icon'

/** Format of a mix: the uploaded video with the mix as its sound. */
const VIDEO = 'video'

interface Props {
  title: string
  status: Status
  /** null while there is no player. */
  mix: Mix | null
  groups: Groups
  /** Whether the player's tempo and key are those of the song. A mix always has these. */
  asRecorded: boolean
  config: ServerConfig
  list: Pick<SongList, 'client'>
  /** Missing: the song can't be deleted here. */
  onDelete?: () => void
}

export function Downloads({ title, status, mix, groups, asRecorded, config, list, onDelete }: Props) {
  const dialog = useRef<HTMLDialogElement>(null)
  const [format, setFormat] = useState(status.format ?? 'wav')
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<string | null>(null)
  const links = downloadLinks(status, mix !== null, config.mixes)
  // The server has the pictures of the owner's own video, as a whole.
  const video = status.video_url != null && onDelete !== undefined && status.start == null && status.end == null
  const mixFormats = [...config.formats.filter((name) => name !== STEM_FILE), ...(video ? [VIDEO] : [])]
  const mixGains = gains(mix ?? {}, groups)
  const silent = Object.values(mixGains).every((gain) => gain === 0)
  const downloadMix = async () => {
    setBusy(true)
    setProblem(null)
    try {
      download(await list.client.mix(status.session_id, mixGains, format))
    } catch (error) {
      setProblem(errorMessage(error))
    } finally {
      setBusy(false)
    }
  }
  return (
    <>
      <div className="downloads">
        {links.zip !== null && (
          <a className="button" href={links.zip} download>
            <Icon name="download" /> All as ZIP
          </a>
        )}
        {links.files.map((file) => (
          <a key={file.type} className="button" href={file.s3_url} download>
            <Icon name="download" /> {file.type === STEM_FILE ? 'For DJ software' : file.filename}{' '}
            <small>{formatSize(file.size)}</small>
          </a>
        ))}
        {links.mix && (
          <span className="mix-download">
            <button type="button" disabled={busy || silent} onClick={() => void downloadMix()}>
              <Icon name="download" /> {busy ? 'Mixing…' : asRecorded ? 'This mix' : 'This mix, at the song’s own tempo and key'}
            </button>
            <select aria-label="Format of the mix" value={format} onChange={(event) => setFormat(event.target.value)}>
              {mixFormats.map((name) => (
                <option key={name} value={name}>
                  {name === VIDEO ? 'Video' : name.toUpperCase()}
                </option>
              ))}
            </select>
          </span>
        )}
        {onDelete !== undefined && (
          <button type="button" className="quiet" onClick={() => dialog.current?.showModal()}>
            <Icon name="delete" /> Delete now
          </button>
        )}
      </div>
      {problem !== null && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
      <dialog ref={dialog} aria-labelledby={`delete-${status.session_id}`}>
        <h2 id={`delete-${status.session_id}`}>Delete “{title}”?</h2>
        <p>This deletes the song and all its stems from the server. It can’t be undone.</p>
        <p className="answers">
          <button type="button" autoFocus onClick={() => dialog.current?.close()}>
            Keep it
          </button>
          <button
            type="button"
            className="danger"
            onClick={() => {
              dialog.current?.close()
              onDelete?.()
            }}
          >
            Delete it
          </button>
        </p>
      </dialog>
    </>
  )
}

/** The server sends the file as an attachment, so the page stays open. */
function download(url: string): void {
  const link = document.createElement('a')
  link.href = url
  link.download = ''
  link.click()
}
