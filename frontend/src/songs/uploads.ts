/** Upload queue: two files at a time, with retries when the connection breaks. Large files continue where they stopped. */
import type { Client } from '../api/client'
import { sleep } from '../api/http'
import { errorMessage, Problem } from '../api/problem'
import { put } from '../api/put'
import type { Choices } from '../api/types'
import { NO_ESTIMATE, nextEstimate } from './estimate'
import { sendParts } from './parts'
import type { Upload } from './song'

const PARALLEL_UPLOADS = 2
/**
 * Delays between retries, besides waiting for the server: it may be reachable and lose uploads all the same. The count
 * begins again when a part has arrived.
 */
const RETRY_DELAYS_MS = [1000, 2000, 4000, 8000, 15000, 15000, 30000, 60000]

/** A session on the server that waits for the file. */
export interface Session {
  id: string
  key: string
  /** Address for the whole file; null: it is sent in parts. */
  url: string | null
}

export interface UploadEvents {
  /** The file has a session on the server; a retry may get a new one. */
  onStart: (session: Session) => void
  onProgress: (upload: Partial<Upload>) => void
  /** The file is uploaded and queued for separation. */
  onDone: () => void
}

interface Task {
  file: File
  choices: Choices
  /** When the file was chosen, in seconds since 1970. */
  droppedAt: number
  events: UploadEvents
  abort: AbortController
  session: Session | null
  /** Whether the file is complete on the server. */
  sent: boolean
  /** Failed attempts since the last part that has arrived. */
  failures: number
}

export class Uploads {
  private waiting: Task[] = []
  private running = 0

  constructor(private readonly client: Client) {}

  /** Queue a file. `session`: an upload in parts to resume. Returns a function that cancels it. */
  add(file: File, choices: Choices, events: UploadEvents, session: Session | null = null, droppedAt = Date.now() / 1000): () => void {
    const task: Task = { file, choices, droppedAt, events, abort: new AbortController(), session, sent: false, failures: 0 }
    this.waiting.push(task)
    void this.runNext()
    return () => {
      this.waiting = this.waiting.filter((other) => other !== task)
      task.abort.abort()
    }
  }

  private async runNext(): Promise<void> {
    if (this.running >= PARALLEL_UPLOADS) return
    const task = this.waiting.shift()
    if (task === undefined) return
    this.running += 1
    try {
      await this.run(task)
    } catch (error) {
      const canRetry = !(error instanceof Problem) || error.canRetry
      if (!task.abort.signal.aborted) task.events.onProgress({ state: 'failed', problem: errorMessage(error), canRetry })
    } finally {
      this.running -= 1
      void this.runNext()
    }
  }

  private async run(task: Task): Promise<void> {
    const { signal } = task.abort
    for (;;) {
      try {
        task.session ??= await this.begin(task)
        if (!task.sent) await this.send(task, task.session)
        await this.client.process(task.session.id, task.session.key, task.choices)
        task.events.onDone()
        return
      } catch (error) {
        const delay = RETRY_DELAYS_MS[task.failures]
        task.failures += 1
        if (signal.aborted || (error instanceof Problem && !error.transient) || delay === undefined) throw error
        await sleep(delay, signal)
        await this.client.connection.reachability.untilReachable(signal)
        signal.throwIfAborted()
      }
    }
  }

  /** Create a session for the file. */
  private async begin(task: Task): Promise<Session> {
    const { signal } = task.abort
    task.events.onProgress({ state: 'sending', fraction: 0, estimate: NO_ESTIMATE })
    const { sessionId: id, s3Key: key, uploadUrl, partBytes } = await this.client.upload(task.file, task.droppedAt)
    if (signal.aborted) await this.client.cleanup(id)
    signal.throwIfAborted()
    const session = { id, key, url: partBytes == null ? this.client.link(uploadUrl) : null }
    task.events.onStart(session)
    return session
  }

  private async send(task: Task, session: Session): Promise<void> {
    const { file, events, abort } = task
    events.onProgress({ state: 'sending' })
    const onProgress = reporter(file.size, events)
    try {
      if (session.url === null) {
        const onPart = () => (task.failures = 0)
        await sendParts(this.client, session.id, file, { onProgress, onPart }, abort.signal)
      } else {
        await put(new URL(session.url), file, onProgress, abort.signal)
      }
      task.sent = true
    } catch (error) {
      const gone = error instanceof Problem && error.status === 404
      if (session.url !== null) {
        // This address takes one PUT, so a retry needs a new session. Delete this one.
        void this.client.cleanup(session.id).catch(() => undefined)
        task.session = null
      } else if (gone) {
        task.session = null
        throw new Problem(503, error.message) // the session has expired: try again with a new one
      }
      throw error
    }
  }
}

/** Returns a function that reports progress, given the bytes that have arrived or are being sent. */
function reporter(total: number, events: UploadEvents): (bytes: number) => void {
  const started = performance.now()
  let before: number | null = null
  let estimate = NO_ESTIMATE
  return (bytes) => {
    before ??= bytes // of a resumed upload
    const seconds = (performance.now() - started) / 1000
    const sent = bytes - before
    const secondsLeft = sent > 0 && seconds > 2 ? (seconds / sent) * (total - bytes) : null
    estimate = nextEstimate(estimate, secondsLeft, 'The connection has become slower.')
    events.onProgress({ fraction: total === 0 ? 1 : Math.min(bytes / total, 1), estimate })
  }
}
