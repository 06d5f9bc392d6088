/** The API calls that the page makes. */
import { eventsUrl } from './events'
import { call, type Connection } from './http'
import { problemFrom } from './problem'
import type { Choices, EarlyPieces, Models, Part, ServerConfig, Status, Upload, UploadParts } from './types'

const SESSIONS_PER_REQUEST = 100

export class Client {
  /** WebSocket address from the server's configuration. */
  private socketUrl: string | null = null

  constructor(readonly connection: Connection) {}

  async config(): Promise<ServerConfig> {
    const config = await call<ServerConfig>(this.connection, 'GET', 'config')
    this.use(config)
    return config
  }

  /** Use a configuration of the server, such as that of the last visit. */
  use({ events, password }: ServerConfig): void {
    this.socketUrl = events
    this.connection.hasPassword = password === true
  }

  models(): Promise<Models> {
    return call(this.connection, 'GET', 'models')
  }

  /** `droppedAt`: when the file was chosen, in seconds since 1970. */
  upload(file: File, droppedAt: number): Promise<Upload> {
    const body = { fileName: file.name, fileType: file.type, fileSize: file.size, droppedAt }
    return call(this.connection, 'POST', 'upload', body)
  }

  /** Begin or resume an upload in parts. */
  uploadParts(sessionId: string): Promise<UploadParts> {
    return call(this.connection, 'POST', 'upload/parts', { sessionId })
  }

  /** Join the parts of an upload. */
  async completeUpload(sessionId: string): Promise<void> {
    await call(this.connection, 'POST', 'upload/complete', { sessionId })
  }

  process(sessionId: string, s3Key: string, choices?: Choices): Promise<{ status: string }> {
    return call(this.connection, 'POST', 'process', { sessionId, s3Key, ...(choices && sentChoices(choices)) })
  }

  /** Separate a song that has ended once more. Returns the id of the new session. */
  async again(sessionId: string, choices: Choices): Promise<string> {
    const body = { sessionId, again: true, ...sentChoices(choices) }
    return (await call<{ sessionId: string }>(this.connection, 'POST', 'process', body)).sessionId
  }

  /** Change the caller's own song, and return its status. */
  async change(kind: 'rename' | 'keep' | 'share', sessionId: string, fields: Record<string, unknown>): Promise<Status> {
    return this.absoluteLinks(await call<Status>(this.connection, 'POST', kind, { session_id: sessionId, ...fields }))
  }

  /** Separate a stem of a song further, into all stems of a model; or with `mix` the song itself, also a part of it. */
  async split(sessionId: string, stem: string, model: string, part?: Part): Promise<void> {
    await call(this.connection, 'POST', 'process', { sessionId, from: stem, model, ...part })
  }

  /** Separate a song again with the same choices. Needs only its id, as songs from the history have no `s3Key`. */
  async retry(sessionId: string): Promise<void> {
    const body = { sessionIds: [sessionId] }
    type Answer = { results: { problem?: { status: number } }[] }
    const { results } = await call<Answer>(this.connection, 'POST', 'batch/process', body)
    const problem = results[0]?.problem
    if (problem !== undefined) throw problemFrom(problem.status, JSON.stringify(problem))
  }

  async status(sessionId: string): Promise<Status> {
    const [status] = await this.statuses([sessionId])
    return status ?? { session_id: sessionId, status: 'UNKNOWN' }
  }

  async statuses(ids: readonly string[]): Promise<Status[]> {
    const statuses: Status[] = []
    for (let start = 0; start < ids.length; start += SESSIONS_PER_REQUEST) {
      const part = await call<{ sessions: Status[] }>(this.connection, 'POST', 'batch/status', {
        session_ids: ids.slice(start, start + SESSIONS_PER_REQUEST),
      })
      statuses.push(...part.sessions.map((status) => this.absoluteLinks(status)))
    }
    return statuses
  }

  /** The pieces of a song that is being separated, from the number `first` on. */
  async pieces(sessionId: string, first: number): Promise<EarlyPieces> {
    const answer = await call<EarlyPieces>(this.connection, 'POST', 'pieces', { session_id: sessionId, first })
    return { ...answer, pieces: answer.pieces.map((piece) => ({ ...piece, url: this.link(piece.url) })) }
  }

  async history(): Promise<Status[]> {
    const { sessions } = await call<{ sessions: Status[] }>(this.connection, 'GET', 'history?limit=200')
    return sessions.map((status) => this.absoluteLinks(status))
  }

  async cancel(sessionId: string): Promise<Status> {
    return this.absoluteLinks(await call<Status>(this.connection, 'POST', 'cancel', { session_id: sessionId }))
  }

  cleanup(sessionId: string): Promise<{ deleted: number }> {
    return call(this.connection, 'POST', 'cleanup', { session_id: sessionId })
  }

  mix(sessionId: string, gains: Record<string, number>, format: string): Promise<string> {
    return this.mixAt('mix', sessionId, gains, format)
  }

  protected async mixAt(path: string, id: string, gains: Record<string, number>, format: string): Promise<string> {
    const { s3_url: url } = await call<{ s3_url: string }>(this.connection, 'POST', path, { session_id: id, gains, format })
    return this.link(url)
  }

  link(url: string): string {
    return new URL(url, this.connection.base).href
  }

  /** Resolve links that are relative to the API, which can be on another host than the page. */
  absoluteLinks<S extends Status>(status: S): S {
    const link = (url: string | null | undefined) => (url == null ? null : this.link(url))
    return {
      ...status,
      zip_url: link(status.zip_url),
      video_url: link(status.video_url),
      output_files: (status.output_files ?? []).map((file) => ({
        ...file,
        s3_url: this.link(file.s3_url),
        peaks_url: link(file.peaks_url),
        play_url: link(file.play_url),
      })),
    }
  }

  /** Open the WebSocket that sends status changes of these sessions, with the user's token if there is one. */
  async events(ids: readonly string[]): Promise<WebSocket> {
    const url = eventsUrl(this.connection.base, this.socketUrl, ids)
    const token = await this.connection.token()
    return token === null ? new WebSocket(url) : new WebSocket(url, `bearer.${token}`)
  }
}

/** The fields of `POST /process` for these choices, without empty ones. */
function sentChoices({ notify, video, start = '', end = '', ...rest }: Choices): Record<string, unknown> {
  return {
    ...rest,
    ...(video ? { video } : {}),
    ...(notify === '' ? {} : { notify }),
    ...(start === '' ? {} : { start }),
    ...(end === '' ? {} : { end }),
  }
}
