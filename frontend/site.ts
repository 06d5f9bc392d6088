/** Vite plugin for a static host: writes config.json with the API's address, and _headers with the security headers. */
import type { Plugin } from 'vite'
import page from '../src/unbraid/api/page_headers.json'

type Environment = Record<string, string | undefined>

/** Reads UNBRAID_API_URL and, for services on other hosts, the addresses of WebSocket, files and sign-in. */
export function staticHost(env: Environment): Plugin {
  const api = readUrl(env, 'UNBRAID_API_URL', ['https:'])
  if (api === null) {
    throw new Error('UNBRAID_API_URL is missing. Set it to the address of the API, which `./unbraid deploy` prints.')
  }
  const socket = readUrl(env, 'UNBRAID_SOCKET_URL', ['wss:']) ?? new URL(`wss://${api.host}`)
  const files = readUrl(env, 'UNBRAID_FILES_URL', ['https:'])
  const signIn = splitList(env.UNBRAID_SIGN_IN_URLS).map((url) => checkUrl('UNBRAID_SIGN_IN_URLS', url, ['https:']))
  const origins = [api, socket, files, ...signIn].flatMap((url) => (url === null ? [] : [url.origin]))
  return {
    name: 'static-host',
    generateBundle() {
      this.emitFile({ type: 'asset', fileName: 'config.json', source: `${JSON.stringify({ apiUrl: api.href })}\n` })
      this.emitFile({ type: 'asset', fileName: '_headers', source: headers([...new Set(origins)]) })
    },
  }
}

/**
 * The headers of the web app (src/unbraid/api/page_headers.json) in Netlify's format, which other static hosts read too.
 * No header may be in two rules: the host would send both values.
 */
function headers(connect: readonly string[]): string {
  const directives = { ...page['content-security-policy'] }
  directives['connect-src'] = [directives['connect-src'], ...connect].join(' ')
  const media = connect.filter((origin) => origin.startsWith('https:'))
  directives['media-src'] = [directives['media-src'], ...media].join(' ')
  const policy = Object.entries(directives).map((directive) => directive.join(' '))
  const lines = Object.entries({
    'content-security-policy': policy.join('; '),
    'strict-transport-security': page['strict-transport-security'],
    ...page.headers,
  }).map(([name, value]) => `  ${name}: ${value}`)
  return `/*\n${lines.join('\n')}\n/assets/*\n  Cache-Control: public, max-age=31536000, immutable\n`
}

function readUrl(env: Environment, name: string, protocols: readonly string[]): URL | null {
  const value = env[name]?.trim() ?? ''
  return value === '' ? null : checkUrl(name, value, protocols)
}

function checkUrl(name: string, value: string, protocols: readonly string[]): URL {
  const url = URL.canParse(value) ? new URL(value) : null
  if (url === null || !protocols.includes(url.protocol)) {
    throw new Error(`${name} must be an address that begins with ${protocols.join(' or ')}//, but is "${value}"`)
  }
  return url
}

function splitList(value: string | undefined): string[] {
  return (value ?? '').split(/[\s,]+/).filter((item) => item !== '')
}
