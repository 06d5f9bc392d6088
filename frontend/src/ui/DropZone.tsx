/** Adds songs: dropped anywhere on the page, or chosen in the file dialog. */
import { type ReactNode, useEffect, useRef, useState } from 'react'
import { Braid, FOUR_STEMS } from './Braid'
import { Hero } from './Hero'

// Browsers don't know the media types of all these extensions.
const ACCEPTED = 'audio/*,video/*,.flac,.opus,.m4a,.ogg,.mka,.mkv,.aif,.aiff,.wma'

interface Props {
  /** A smaller version, above a list of songs. */
  compact: boolean
  onFiles: (files: File[]) => void
  children: ReactNode
}

export function DropZone({ compact, onFiles, children }: Props) {
  const picker = useRef<HTMLInputElement>(null)
  const dragging = useFileDrop(onFiles)
  return (
    <section className={`${dragging ? 'dragging' : ''} ${compact ? 'compact' : ''}`} aria-labelledby="drop-title">
      {!compact && <Hero titleId="drop-title" />}
      <div className="target">
        <Braid stems={FOUR_STEMS} apart={dragging ? 0.85 : 0.5} animated={dragging} />
        <div className="invite">
          {compact && (
            <h1 id="drop-title" className="visually-hidden">
              Add more songs
            </h1>
          )}
          <button type="button" className="primary" onClick={() => picker.current?.click()}>
            {compact ? 'Add songs' : 'Choose songs'}
          </button>
          <span className="or">{dragging ? 'Drop to start.' : 'or drop songs and videos anywhere.'}</span>
        </div>
        <input
          ref={picker}
          type="file"
          multiple
          hidden
          accept={ACCEPTED}
          onChange={(event) => {
            onFiles([...(event.target.files ?? [])])
            event.target.value = '' // so that the same file can be chosen again
          }}
        />
      </div>
      {children}
    </section>
  )
}

/** Accept files dropped on the page. Returns whether files are being dragged over it. */
function useFileDrop(onFiles: (files: File[]) => void): boolean {
  const [dragging, setDragging] = useState(false)
  const latest = useRef(onFiles)
  useEffect(() => {
    latest.current = onFiles
  })
  useEffect(() => {
    let depth = 0 // enter and leave fire for nested elements too
    const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes('Files') === true
    const enter = (event: DragEvent) => {
      if (!hasFiles(event)) return
      depth += 1
      setDragging(true)
    }
    const leave = (event: DragEvent) => {
      if (!hasFiles(event)) return
      depth = Math.max(0, depth - 1)
      if (depth === 0) setDragging(false)
    }
    const over = (event: DragEvent) => {
      if (hasFiles(event)) event.preventDefault()
    }
    const drop = (event: DragEvent) => {
      if (!hasFiles(event)) return
      event.preventDefault()
      depth = 0
      setDragging(false)
      latest.current([...(event.dataTransfer?.files ?? [])])
    }
    const handlers = { dragenter: enter, dragleave: leave, dragover: over, drop } as const
    for (const [name, handler] of Object.entries(handlers)) window.addEventListener(name, handler as EventListener)
    return () => {
      for (const [name, handler] of Object.entries(handlers)) window.removeEventListener(name, handler as EventListener)
    }
  }, [])
  return dragging
}
