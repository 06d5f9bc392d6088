/** Where changes of these sessions are told: at the address the server gave, else at `events` below the API. */
export function eventsAddress(api: URL, told: string | null | undefined, ids: readonly string[]): URL {
  const url = new URL(told ?? 'events', api)
  url.protocol = ['https:', 'wss:'].includes(url.protocol) ? 'wss:' : 'ws:'
  for (const id of ids) url.searchParams.append('session_id', id)
  return url
}
