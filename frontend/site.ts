/** The page on a static host: a file that says where the API is, and headers that let the page reach that and no more. */
import type { Plugin } from 'vite'

type Environment = Record<string, string | undefined>

/** Builds for the environment of a host: UNBRAID_API_URL and, where they are elsewhere, socket, files and sign-in. */
export function site(env: Environment): Plugin {
  const api = address(env, 'UNBRAID_API_URL', ['https:'])
  if (api === null) {
    throw new Error('UNBRAID_API_URL is missing: the address of the API, for instance as `./unbraid deploy` tells it')
  }
  const socket = address(env, 'UNBRAID_SOCKET_URL', ['wss:']) ?? new URL(`wss://${api.host}`)
  const files = address(env, 'UNBRAID_FILES_URL', ['https:'])
  const signIn = words(env.UNBRAID_SIGN_IN_URLS).map((word) => checked('UNBRAID_SIGN_IN_URLS', word, ['https:']))
  const origins = [api, socket, files, ...signIn].flatMap((url) => (url === null ? [] : [url.origin]))
  return {
    name: 'static-host',
    generateBundle() {
      this.emitFile({ type: 'asset', fileName: 'config.json', source: `${JSON.stringify({ apiUrl: api.href })}\n` })
      this.emitFile({ type: 'asset', fileName: '_headers', source: headers([...new Set(origins)]) })
    },
  }
}

/** In Netlify's format, which other static hosts read too. Rules that name a header twice would send both values. */
function headers(connect: readonly string[]): string {
  const policy = [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data: blob:",
    "font-src 'self'",
    "media-src 'self' blob:",
    "manifest-src 'self'",
    "worker-src 'self'",
    `connect-src ${["'self'", ...connect].join(' ')}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ]
  return `/*
  Content-Security-Policy: ${policy.join('; ')}
  Strict-Transport-Security: max-age=31536000
  X-Content-Type-Options: nosniff
  X-Frame-Options: DENY
  Referrer-Policy: no-referrer
  Cross-Origin-Opener-Policy: same-origin
  Permissions-Policy: camera=(), microphone=(), geolocation=(), payment=(), usb=()
/assets/*
  Cache-Control: public, max-age=31536000, immutable
`
}

function address(env: Environment, name: string, protocols: readonly string[]): URL | null {
  const value = env[name]?.trim() ?? ''
  return value === '' ? null : checked(name, value, protocols)
}

function checked(name: string, value: string, protocols: readonly string[]): URL {
  const url = URL.canParse(value) ? new URL(value) : null
  if (url === null || !protocols.includes(url.protocol)) {
    throw new Error(`${name} has to be an address that begins with ${protocols.join(' or ')}//, not "${value}"`)
  }
  return url
}

function words(value: string | undefined): string[] {
  return (value ?? '').split(/[\s,]+/).filter((word) => word !== '')
}
