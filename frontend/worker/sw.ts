/**
 * Service worker: keeps the page's own files, so that the page opens without a connection. It answers for these files
 * only: calls of the API and files of songs are not touched.
 */
export {} // a module, so that `self` can have its own type
declare const self: ServiceWorkerGlobalScope

/** Set by the build: addresses of all files relative to the page, the script that index.html starts, and a checksum of both. */
declare const FILES: readonly string[]
declare const ENTRY: string
declare const VERSION: string

const PAGE = 'index.html'
const CONFIG = 'config.json' // changes without a build
const SLOW_MS = 4000

// Pages in several folders of one host share the storage.
const OWN_CACHES = `unbraid-page ${self.registration.scope} `
const CACHE = OWN_CACHES + VERSION
const url = (path: string) => new URL(path, self.registration.scope).href
const kept = new Set(FILES.map(url))

self.addEventListener('install', (event) => event.waitUntil(keepFiles()))

// Waits until the pages of the version before are closed, as these load parts of that version.
self.addEventListener('activate', (event) => event.waitUntil(removeOldVersions().then(() => self.clients.claim())))

self.addEventListener('fetch', (event) => {
  const { request } = event
  const address = new URL(request.url)
  const path = address.origin + address.pathname
  if (request.method !== 'GET') return
  if (request.mode === 'navigate' && [url(''), url(PAGE)].includes(path)) event.respondWith(currentPage(request))
  else if (path === url(CONFIG)) event.respondWith(currentConfig(request))
  else if (kept.has(request.url)) event.respondWith(keptFile(request))
})

// A click on a notification shows the page.
self.addEventListener('notificationclick', (event) => {
  event.notification.close()
  event.waitUntil(showPage())
})

async function showPage(): Promise<void> {
  const [page] = await self.clients.matchAll({ type: 'window' })
  await (page?.focus() ?? self.clients.openWindow(url('')))
}

async function keepFiles(): Promise<void> {
  const cache = await caches.open(CACHE)
  for (const path of FILES) {
    // The names of assets contain a checksum.
    const response = await fetch(url(path), { cache: path.startsWith('assets/') ? 'default' : 'no-cache' })
    if (!response.ok) throw new Error(`${path}: status ${response.status}`)
    if (path === PAGE && !(await response.clone().text()).includes(ENTRY)) {
      throw new Error('The server has another version of the page.') // in the middle of a deployment
    }
    await cache.put(url(path), response)
  }
}

async function removeOldVersions(): Promise<void> {
  const names = await caches.keys()
  await Promise.all(names.filter((name) => name.startsWith(OWN_CACHES) && name !== CACHE).map((name) => caches.delete(name)))
}

/** The server's page, so that it is never an old one. The kept page when the server doesn't answer. */
async function currentPage(request: Request): Promise<Response> {
  const response = await inTime(fetch(request))
  if (response !== null && response.status < 500) return response
  return (await caches.match(url(PAGE), { cacheName: CACHE })) ?? response ?? fetch(request)
}

async function currentConfig(request: Request): Promise<Response> {
  const cache = await caches.open(CACHE)
  const response = await fetch(request).catch(() => null)
  if (response === null) return (await cache.match(url(CONFIG))) ?? Response.error()
  if (response.ok) await cache.put(url(CONFIG), response.clone())
  return response
}

async function keptFile(request: Request): Promise<Response> {
  return (await caches.match(request, { cacheName: CACHE, ignoreVary: true })) ?? fetch(request)
}

/** null: failed, or not here in time. */
async function inTime(response: Promise<Response>): Promise<Response | null> {
  const late = new Promise<null>((resolve) => setTimeout(() => resolve(null), SLOW_MS))
  return Promise.race([response.catch(() => null), late])
}
