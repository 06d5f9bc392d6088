/** What the page needs to open without a connection. */
import type { ServerConfig } from '../api/types'

const CONFIG_KEY = 'unbraid.config'

/** Let the service worker keep the page's files. Without one, the page works as before. */
export function keepPage(): void {
  if (import.meta.env.DEV || !('serviceWorker' in navigator)) return
  navigator.serviceWorker.register('./sw.js', { updateViaCache: 'none' }).catch((error: unknown) => console.warn(error))
}

/** The configuration that the server sent last; null on the first visit. */
export function lastConfig(): ServerConfig | null {
  try {
    return JSON.parse(localStorage.getItem(CONFIG_KEY) ?? 'null') as ServerConfig | null
  } catch {
    return null
  }
}

export function rememberConfig(config: ServerConfig): void {
  try {
    localStorage.setItem(CONFIG_KEY, JSON.stringify(config))
  } catch {
    // The storage is full: the page needs a connection to open.
  }
}
