/** The page of a share link: a song of another person, to listen to, mix and download. */
import { useEffect, useState } from 'react'
import { SharedClient } from '../api/shared'
import { errorMessage } from '../api/problem'
import type { Connection } from '../api/http'
import type { ServerConfig, Status } from '../api/types'
import { formatTime, songTitle } from '../lib/format'
import { Header } from './Header'
import { Player } from './Player'
import { musicText } from './statusText'

interface Props {
  connection: Connection
  config: ServerConfig
  shareId: string
}

export function SharedPage({ connection, config, shareId }: Props) {
  const [client] = useState(() => new SharedClient(connection))
  const [status, setStatus] = useState<Status | null>(null)
  const [problem, setProblem] = useState<string | null>(null)
  const refresh = async () => {
    const fresh = await client.shared(shareId)
    setStatus(fresh)
    return fresh
  }
  useEffect(() => {
    client.shared(shareId).then(setStatus, (error: unknown) => setProblem(errorMessage(error)))
  }, [client, shareId])
  const title = songTitle(status?.file_name ?? '')
  useEffect(() => {
    if (title !== '') document.title = `${title} – Unbraid`
  }, [title])
  return (
    <>
      <Header signIn={null} />
      <main>
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
            <Player title={title} status={status} list={{ client, refresh }} editor={null} config={config} models={null} />
          </article>
        )}
      </main>
    </>
  )
}
