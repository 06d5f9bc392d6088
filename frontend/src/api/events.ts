/** Address of the WebSocket for these sessions: as the server configures it, or `events` below the API. */
export function eventsUrl(api: URL, configured: string | null, ids: readonly string[]): URL {
  const url = new URL(configured ?? 'events', api)
  url.protocol = ['https:', 'wss:'].includes(url.protocol) ? 'wss:' : 'ws:'
  for (const id of ids) url.searchParams.append('session_id', id)
  return url
}
