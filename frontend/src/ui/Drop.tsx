/** Where songs come in: dropped anywhere on the page, or picked. */
import { type ReactNode, useEffect, useRef, useState } from 'react'
import { Braid } from './Braid'

interface Props {
  small: boolean
  onFiles: (files: File[]) => void
  children: ReactNode
}

export function Drop({ small, onFiles, children }: Props) {
  const picker = useRef<HTMLInputElement>(null)
  const over = useDrop(onFiles)
  return (
    <section className={`drop${over ? ' over' : ''}${small ? ' small' : ''}`} aria-labelledby="drop-title">
      {!small && (
        <div className="hero">
          <h1 id="drop-title">Take a song apart.</h1>
          <p>Voice and accompaniment, or drums, bass and all the rest: to play, to mix, and to keep as files.</p>
        </div>
      )}
      <div className="target">
        <Braid stems={['vocals', 'drums', 'bass', 'other']} apart={over ? 0.85 : 0.5} alive={over} />
        <div className="invite">
          {small && (
            <h1 id="drop-title" className="unseen">
              Take another song apart
            </h1>
          )}
          <button type="button" className="primary" onClick={() => picker.current?.click()}>
            {small ? 'Add songs' : 'Choose songs'}
          </button>
          <span className="or">{over ? 'Let go, and it begins.' : 'or drop them anywhere. Videos too.'}</span>
        </div>
        <input
          ref={picker}
          type="file"
          multiple
          hidden
          accept="audio/*,video/*,.flac,.opus,.m4a,.ogg,.mka,.mkv,.aif,.aiff,.wma"
          onChange={(event) => {
            onFiles([...(event.target.files ?? [])])
            event.target.value = '' // so that the same file can be picked again
          }}
        />
      </div>
      {children}
    </section>
  )
}

/** Whether files are being dragged over the page; it takes what is dropped. */
function useDrop(onFiles: (files: File[]) => void): boolean {
  const [over, setOver] = useState(false)
  const take = useRef(onFiles)
  useEffect(() => {
    take.current = onFiles
  })
  useEffect(() => {
    let depth = 0 // enter and leave come for every element on the way
    const has = (event: DragEvent) => event.dataTransfer?.types.includes('Files') === true
    const enter = (event: DragEvent) => {
      if (!has(event)) return
      depth += 1
      setOver(true)
    }
    const leave = (event: DragEvent) => {
      if (!has(event)) return
      depth = Math.max(0, depth - 1)
      if (depth === 0) setOver(false)
    }
    const hover = (event: DragEvent) => {
      if (has(event)) event.preventDefault()
    }
    const drop = (event: DragEvent) => {
      if (!has(event)) return
      event.preventDefault()
      depth = 0
      setOver(false)
      take.current([...(event.dataTransfer?.files ?? [])])
    }
    const handlers = { dragenter: enter, dragleave: leave, dragover: hover, drop } as const
    for (const [name, handler] of Object.entries(handlers)) window.addEventListener(name, handler as EventListener)
    return () => {
      for (const [name, handler] of Object.entries(handlers)) window.removeEventListener(name, handler as EventListener)
    }
  }, [])
  return over
}
