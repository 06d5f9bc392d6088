/** Downloads of a song, and the button that deletes it. */
import { useRef, useState } from 'react'
import type { MixConfig, OutputFile, Status } from '../api/types'
import { formatSize } from '../lib/format'
import { STEM_FILE, stemName } from '../lib/stems'
import type { SongList } from '../songs/list'
import { downloadLinks } from './downloadLinks'
import { dragFile } from './dragOut'
import { Icon } from './Icon'
import { MixDownload } from './MixDownload'
import type { LoadedPlayer } from './usePlayer'

interface Props {
  title: string
  status: Status
  /** null while there is no player. */
  player: LoadedPlayer | null
  config: MixConfig
  list: Pick<SongList, 'client' | 'refresh'>
  /** Missing: the song can't be deleted here. */
  onDelete?: () => void
}

/** What is in a file, in words. */
function linkName({ type, filename }: OutputFile): string {
  if (type === STEM_FILE) return 'For DJ software'
  return type === 'video' ? `Video: ${stemName(filename.replace(/\.\w+$/, '')).toLowerCase()}` : filename
}

export function Downloads({ title, status, player, config, list, onDelete }: Props) {
  const dialog = useRef<HTMLDialogElement>(null)
  const [problem, setProblem] = useState<string | null>(null)
  const links = downloadLinks(status, player !== null)
  // The server has the pictures of the owner's own video, as a whole.
  const video = status.video_url != null && onDelete !== undefined && status.start == null && status.end == null
  return (
    <>
      <div className="downloads">
        {links.zip !== null && (
          <a className="button" href={links.zip} download>
            <Icon name="download" /> All as ZIP
          </a>
        )}
        {links.files.map((file) => (
          <a
            key={file.type}
            className="button"
            href={file.s3_url}
            download
            onDragStart={dragFile(`${title} - ${file.filename}`)}
          >
            <Icon name="download" /> {linkName(file)}{' '}
            <small>{formatSize(file.size)}</small>
          </a>
        ))}
        {player !== null && links.mix && (
          <MixDownload {...{ title, status, player, config, list, video }} onProblem={setProblem} />
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
