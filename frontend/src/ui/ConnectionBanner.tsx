/** Shown while the server can't be used: it doesn't answer, or it asks for the password again. */
import { useSyncExternalStore } from 'react'
import type { Connection } from '../api/http'
import { passwordForm } from '../password'

export function ConnectionBanner({ connection }: { connection: Connection }) {
  const { reachability } = connection
  const reachable = useSyncExternalStore(reachability.subscribe, reachability.snapshot)
  const signedOut = useSyncExternalStore(reachability.subscribe, reachability.isSignedOut)
  if (reachable) return null
  return signedOut ? (
    <div className="banner" role="alert">
      <p>You are signed out. Sign in in a new tab, then come back here. Your songs are safe, and uploads continue.</p>
      <a className="button primary" href={passwordForm(connection.base).href} target="_blank" rel="noreferrer">
        Sign in
      </a>
    </div>
  ) : (
    <p className="banner" role="alert">
      The server can’t be reached. Reconnecting automatically. Your songs are safe, and those you opened last still play.
    </p>
  )
}
