/** The API's calls that the page makes. */
import { eventsAddress } from './events'
import { call, type Caller } from './http'
import { problemFrom } from './problem'
import type { Choices, Models, ServerConfig, Status, Upload } from './types'

const AT_ONCE = 100 // sessions in one question for their states

export class Client {
  /** As the server's settings last said. */
  private socket: string | null = null

  constructor(readonly caller: Caller) {}

  async config(): Promise<ServerConfig> {
    const config = await call<ServerConfig>(this.caller, 'GET', 'config')
    this.socket = config.events
    return config
  }

  models(): Promise<Models> {
    return call(this.caller, 'GET', 'models')
  }

  upload(fileName: string, fileType: string): Promise<Upload> {
    return call(this.caller, 'POST', 'upload', { fileName, fileType })
  }

  process(sessionId: string, s3Key: string, choices?: Choices): Promise<{ status: string }> {
    const { notify, video, ...rest } = choices ?? { notify: '', video: false }
    return call(this.caller, 'POST', 'process', {
      sessionId,
      s3Key,
      ...rest,
      ...(video ? { video } : {}),
      ...(notify === '' ? {} : { notify }),
    })
  }

  /** What was asked for once more; by its id alone, as that is all there is of songs from a history. */
  async again(sessionId: string): Promise<void> {
    const { results } = await call<{ results: { problem?: { status: number } }[] }>(this.caller, 'POST', 'batch/process', {
      sessionIds: [sessionId],
    })
    const problem = results[0]?.problem
    if (problem !== undefined) throw problemFrom(problem.status, JSON.stringify(problem))
  }

  async status(sessionId: string): Promise<Status> {
    const [status] = await this.statuses([sessionId])
    return this.absolute(status ?? { session_id: sessionId, status: 'UNKNOWN' })
  }

  async statuses(ids: readonly string[]): Promise<Status[]> {
    const found: Status[] = []
    for (let start = 0; start < ids.length; start += AT_ONCE) {
      const part = await call<{ sessions: Status[] }>(this.caller, 'POST', 'batch/status', {
        session_ids: ids.slice(start, start + AT_ONCE),
      })
      found.push(...part.sessions.map((status) => this.absolute(status)))
    }
    return found
  }

  async history(): Promise<Status[]> {
    const { sessions } = await call<{ sessions: Status[] }>(this.caller, 'GET', 'history?limit=200')
    return sessions.map((status) => this.absolute(status))
  }

  async cancel(sessionId: string): Promise<Status> {
    return this.absolute(await call<Status>(this.caller, 'POST', 'cancel', { session_id: sessionId }))
  }

  cleanup(sessionId: string): Promise<{ deleted: number }> {
    return call(this.caller, 'POST', 'cleanup', { session_id: sessionId })
  }

  async mix(sessionId: string, gains: Record<string, number>, format: string): Promise<string> {
    const made = await call<{ s3_url: string }>(this.caller, 'POST', 'mix', { session_id: sessionId, gains, format })
    return this.link(made.s3_url)
  }

  link(url: string): string {
    return new URL(url, this.caller.base).href
  }

  /** Links may be relative to the API, which need not be where this page came from. */
  absolute(status: Status): Status {
    const link = (url: string | null | undefined) => (url == null ? null : this.link(url))
    return {
      ...status,
      zip_url: link(status.zip_url),
      output_files: (status.output_files ?? []).map((file) => ({
        ...file,
        s3_url: this.link(file.s3_url),
        peaks_url: link(file.peaks_url),
        play_url: link(file.play_url),
      })),
    }
  }

  /** Where changes of these sessions are told, and as whom to ask. */
  async events(ids: readonly string[]): Promise<WebSocket> {
    const url = eventsAddress(this.caller.base, this.socket, ids)
    const token = await this.caller.token()
    return token === null ? new WebSocket(url) : new WebSocket(url, `bearer.${token}`)
  }
}
