/** Address of the API: from config.json beside the page, or the build's VITE_API_URL, or else the page's own folder. */

export async function apiBase(): Promise<URL> {
  const page = new URL('.', document.baseURI)
  const configured = (await fromConfigFile(page)) || (import.meta.env.VITE_API_URL as string | undefined)
  return new URL(withSlash(configured ?? ''), page)
}

async function fromConfigFile(page: URL): Promise<string> {
  try {
    const response = await fetch(new URL('config.json', page), { cache: 'no-cache' })
    const settings = (await response.json()) as { apiUrl?: unknown }
    return typeof settings.apiUrl === 'string' ? settings.apiUrl : ''
  } catch {
    return '' // no config.json
  }
}

function withSlash(url: string): string {
  return url === '' || url.endsWith('/') ? url : `${url}/`
}

/** Random token of this browser: the server lists the songs that were uploaded with it. */
export function browserToken(): string {
  const key = 'unbraid.browser'
  const stored = localStorage.getItem(key)
  if (stored !== null) return stored
  const bytes = crypto.getRandomValues(new Uint8Array(24))
  const token = btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_')
  localStorage.setItem(key, token)
  return token
}

