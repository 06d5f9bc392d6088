/** Watches sessions for status changes: over a WebSocket, and by polling while there is none. */
import type { Client } from './client'
import { Problem } from './problem'
import type { Status } from './types'

const MAX_WATCHED = 100 // the next sessions follow as the first ones finish
const POLL_MS = 2000
const DEBOUNCE_MS = 150 // several songs often change at once
// The WebSocket API of AWS sends nothing before the client does, sends no queue positions unasked, and closes idle
// connections. The web app needs no such request, and answers it.
const STATUS_REQUEST = '{"action": "status"}'
const STATUS_REQUEST_MS = 20_000
const RECONNECT_DELAYS_MS = [1000, 2000, 4000, 8000, 15000]

type Interval = ReturnType<typeof setInterval>
type Timeout = ReturnType<typeof setTimeout>

export class StatusWatcher {
  private ids: string[] = []
  private nextIds: string[] = []
  private debounce: Timeout | undefined
  private socket: WebSocket | null = null
  private failures = 0
  private reconnect: Timeout | undefined
  private polling: Interval | undefined
  private statusRequests: Interval | undefined

  constructor(
    private readonly client: Client,
    private readonly onChange: (statuses: Status[]) => void,
  ) {
    const { reachability } = client.connection
    reachability.subscribe(() => {
      if (!reachability.snapshot() || this.ids.length === 0 || this.socket !== null) return
      this.disconnect() // reconnect now rather than after the delay
      void this.connect()
    })
  }

  /** Watch these sessions instead of the ones before. */
  watch(ids: readonly string[]): void {
    this.nextIds = ids.slice(0, MAX_WATCHED)
    this.debounce ??= setTimeout(() => {
      this.debounce = undefined
      if (this.nextIds.join() === this.ids.join()) return
      this.ids = this.nextIds
      this.failures = 0
      this.disconnect()
      if (this.ids.length > 0) void this.connect()
    }, DEBOUNCE_MS)
  }

  private disconnect(): void {
    clearTimeout(this.reconnect)
    clearInterval(this.polling)
    clearInterval(this.statusRequests)
    this.polling = undefined
    const socket = this.socket
    this.socket = null // so that its `onclose` does nothing
    socket?.close()
  }

  private async connect(): Promise<void> {
    const ids = this.ids
    this.startPolling() // until the first message: some proxies leave a WebSocket hanging
    let socket: WebSocket
    try {
      socket = await this.client.events(ids)
    } catch {
      this.reconnectLater()
      return
    }
    if (ids !== this.ids) {
      socket.close()
      return
    }
    this.socket = socket
    socket.onopen = () => {
      if (socket !== this.socket) return
      socket.send(STATUS_REQUEST)
      this.statusRequests = setInterval(() => socket.send(STATUS_REQUEST), STATUS_REQUEST_MS)
    }
    socket.onmessage = (event) => {
      const status = JSON.parse(String(event.data)) as Partial<Status>
      if (socket !== this.socket || status.session_id === undefined) return // a gateway's own error message
      this.failures = 0
      clearInterval(this.polling)
      this.polling = undefined
      this.client.connection.reachability.set(true)
      this.onChange([this.client.absoluteLinks(status as Status)])
    }
    socket.onclose = () => {
      if (socket !== this.socket) return
      this.socket = null
      clearInterval(this.statusRequests)
      this.startPolling()
      this.reconnectLater()
    }
  }

  private reconnectLater(): void {
    const delay = RECONNECT_DELAYS_MS[Math.min(this.failures, RECONNECT_DELAYS_MS.length - 1)]
    this.failures += 1
    this.reconnect = setTimeout(() => void this.connect(), delay)
  }

  private startPolling(): void {
    if (this.polling !== undefined) return
    let busy = false
    this.polling = setInterval(() => {
      if (busy) return
      busy = true
      this.client
        .statuses(this.ids)
        .then(this.onChange)
        .catch((error: unknown) => {
          // The banner shows that the server is unreachable. A refusal means that this browser may not see these
          // sessions, so polling ends, except after too many requests (429).
          if (error instanceof Problem && !error.transient && error.status !== 429) clearInterval(this.polling)
        })
        .finally(() => {
          busy = false
        })
    }, POLL_MS)
  }
}
