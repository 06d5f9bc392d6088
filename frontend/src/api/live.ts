/** Keeps watch over sessions: told of changes by a WebSocket, by asking every few seconds while there is none. */
import type { Client } from './client'
import { Problem } from './problem'
import type { Status } from './types'

const AT_ONCE = 100 // sessions watched; those further down the queue move up as the first end
const ASK_EVERY_MS = 2000
const SETTLE_MS = 150 // several songs often change at once
// In AWS a server can't be the first to speak, tells no places in the queue by itself, and hangs up on whoever is silent.
// The web app needs no questions and takes them all the same.
const QUESTION = '{"action": "status"}'
const QUESTION_EVERY_MS = 20_000
const CALL_AGAIN_MS = [1000, 2000, 4000, 8000, 15000]

export class Live {
  private ids: string[] = []
  private wanted: string[] = []
  private settling: ReturnType<typeof setTimeout> | undefined
  private socket: WebSocket | null = null
  private failures = 0
  private timer: ReturnType<typeof setTimeout> | undefined
  private asking: ReturnType<typeof setInterval> | undefined
  private questions: ReturnType<typeof setInterval> | undefined

  constructor(
    private readonly client: Client,
    private readonly changed: (statuses: Status[]) => void,
  ) {
    const { reachability } = client.caller
    reachability.subscribe(() => {
      if (!reachability.snapshot() || this.ids.length === 0 || this.socket !== null) return
      this.hangUp() // no more waiting for the next try
      void this.callUp()
    })
  }

  /** From now on these, and only these. */
  watch(ids: readonly string[]): void {
    this.wanted = ids.slice(0, AT_ONCE)
    this.settling ??= setTimeout(() => {
      this.settling = undefined
      if (this.wanted.join() === this.ids.join()) return
      this.ids = this.wanted
      this.failures = 0
      this.hangUp()
      if (this.ids.length > 0) void this.callUp()
    }, SETTLE_MS)
  }

  private hangUp(): void {
    clearTimeout(this.timer)
    clearInterval(this.asking)
    clearInterval(this.questions)
    this.asking = undefined
    const socket = this.socket
    this.socket = null // so that its closing is none of our business any more
    socket?.close()
  }

  private async callUp(): Promise<void> {
    const ids = this.ids
    this.ask() // until the socket stands: many a proxy keeps one hanging
    let socket: WebSocket
    try {
      socket = await this.client.events(ids)
    } catch {
      this.again()
      return
    }
    if (ids !== this.ids) {
      socket.close()
      return
    }
    this.socket = socket
    socket.onopen = () => {
      if (socket !== this.socket) return
      socket.send(QUESTION)
      this.questions = setInterval(() => socket.send(QUESTION), QUESTION_EVERY_MS)
    }
    socket.onmessage = (event) => {
      const news = JSON.parse(String(event.data)) as Partial<Status>
      if (socket !== this.socket || news.session_id === undefined) return // words of a gateway are no news
      this.failures = 0
      clearInterval(this.asking)
      this.asking = undefined
      this.client.caller.reachability.set(true)
      this.changed([this.client.absolute(news as Status)])
    }
    socket.onclose = () => {
      if (socket !== this.socket) return
      this.socket = null
      clearInterval(this.questions)
      this.ask()
      this.again()
    }
  }

  private again(): void {
    const wait = CALL_AGAIN_MS[Math.min(this.failures, CALL_AGAIN_MS.length - 1)]
    this.failures += 1
    this.timer = setTimeout(() => void this.callUp(), wait)
  }

  private ask(): void {
    if (this.asking !== undefined) return
    let busy = false
    this.asking = setInterval(() => {
      if (busy) return
      busy = true
      this.client
        .statuses(this.ids)
        .then(this.changed)
        .catch((error: unknown) => {
          // told by the banner; a refusal means that these sessions aren't ours to see, unless it is of too many calls
          if (error instanceof Problem && !error.passing && error.status !== 429) clearInterval(this.asking)
        })
        .finally(() => {
          busy = false
        })
    }, ASK_EVERY_MS)
  }
}
