/** The page of a share link: a song of another person, to listen to, mix and download. */
import { useEffect, useState } from 'react'
import { type Connection, sleep } from '../api/http'
import { errorMessage, Unreachable } from '../api/problem'
import { SharedClient } from '../api/shared'
import type { SharedStatus } from '../api/types'
import { formatTime, songTitle } from '../lib/format'
import { Header } from './Header'
import { Player } from './Player'
import { musicText } from './statusText'

const RETRY_MS = 3000

interface Props {
  connection: Connection
  shareId: string
}

export function SharedPage({ connection, shareId }: Props) {
  const [client] = useState(() => new SharedClient(connection))
  const [status, setStatus] = useState<SharedStatus | null>(null)
  const [problem, setProblem] = useState<string | null>(null)
  const formats = status?.mix_formats ?? []
  const refresh = async () => {
    const fresh = await client.shared(shareId)
    setStatus(fresh)
    return fresh
  }
  useEffect(() => {
    const closed = new AbortController()
    /** Ask until the server answers. */
    const open = async () => {
      try {
        setStatus(await client.shared(shareId))
        setProblem(null)
      } catch (error) {
        setProblem(errorMessage(error))
        if (error instanceof Unreachable) await sleep(RETRY_MS, closed.signal)
        if (error instanceof Unreachable && !closed.signal.aborted) await open()
      }
    }
    void open()
    return () => closed.abort()
  }, [client, shareId])
  const title = songTitle(status?.file_name ?? '')
  useEffect(() => {
    if (title !== '') document.title = `${title} – Unbraid`
  }, [title])
  return (
    <>
      <Header signIn={null} />
      <main>
        {status === null && <h1 className="visually-hidden">A shared song</h1>}
        {problem !== null && (
          <p className="notice" role="alert">
            {problem}
          </p>
        )}
        {status === null && problem === null && <p aria-busy="true">Loading…</p>}
        {status !== null && (
          <article className="card open shared" aria-labelledby="shared-title">
            <header>
              <h1 id="shared-title">{title}</h1>
              <p className="facts">
                {status.duration != null && <span>{formatTime(status.duration)}</span>}
                {musicText(status) !== '' && <span>{musicText(status)}</span>}
                <span>shared with you</span>
              </p>
            </header>
            <Player
              title={title}
              status={status}
              list={{ client, refresh }}
              editor={null}
              config={{ mixes: formats.length > 0, formats }}
              models={null}
            />
          </article>
        )}
      </main>
    </>
  )
}
