/** Where the API is: `config.json` beside the page, else what the build was told, else where the page came from. */

export async function apiBase(): Promise<URL> {
  const page = new URL('.', document.baseURI)
  return new URL(slashed((await fromFile(page)) || (import.meta.env.VITE_API_URL as string | undefined) || ''), page)
}

async function fromFile(page: URL): Promise<string> {
  try {
    const response = await fetch(new URL('config.json', page), { cache: 'no-cache' })
    const settings = (await response.json()) as { apiUrl?: unknown }
    return typeof settings.apiUrl === 'string' ? settings.apiUrl : ''
  } catch {
    return '' // no such file: nothing was configured
  }
}

function slashed(url: string): string {
  return url === '' || url.endsWith('/') ? url : `${url}/`
}

/** This browser's own random token; the server lists the songs that came with it. */
export function browserToken(): string {
  const name = 'unbraid.browser'
  const kept = localStorage.getItem(name)
  if (kept !== null) return kept
  const bytes = crypto.getRandomValues(new Uint8Array(24))
  const made = btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_')
  localStorage.setItem(name, made)
  return made
}

