/** Upload queue: two files at a time, with retries when the connection breaks. */
import type { Client } from '../api/client'
import { sleep } from '../api/http'
import { errorMessage, Problem } from '../api/problem'
import { put } from '../api/put'
import type { Choices } from '../api/types'
import type { Upload } from './song'

const PARALLEL_UPLOADS = 2
/** Delays between retries, besides waiting for the server: it may be reachable and lose uploads all the same. */
const RETRY_DELAYS_MS = [1000, 2000, 4000, 8000, 15000, 15000, 30000, 60000]

export interface UploadEvents {
  /** The session has an id; a retry gets a new one. */
  onStart: (id: string, inputKey: string) => void
  onProgress: (upload: Partial<Upload>) => void
  /** The file is uploaded and queued for separation. */
  onDone: () => void
}

interface Task {
  file: File
  choices: Choices
  events: UploadEvents
  abort: AbortController
}

interface SentFile {
  id: string
  key: string
}

export class Uploads {
  private waiting: Task[] = []
  private running = 0

  constructor(private readonly client: Client) {}

  /** Queue a file. Returns a function that cancels it. */
  add(file: File, choices: Choices, events: UploadEvents): () => void {
    const task: Task = { file, choices, events, abort: new AbortController() }
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
      if (!task.abort.signal.aborted) task.events.onProgress({ state: 'failed', problem: errorMessage(error) })
    } finally {
      this.running -= 1
      void this.runNext()
    }
  }

  private async run(task: Task): Promise<void> {
    const { signal } = task.abort
    let sent: SentFile | null = null
    for (let retries = 0; ; retries += 1) {
      try {
        sent = sent ?? (await this.sendFile(task))
        if (sent === null) return
        await this.client.process(sent.id, sent.key, task.choices)
        task.events.onDone()
        return
      } catch (error) {
        const delay = RETRY_DELAYS_MS[retries]
        if (signal.aborted || (error instanceof Problem && !error.transient) || delay === undefined) throw error
        await sleep(delay, signal)
        await this.client.connection.reachability.untilReachable(signal)
        signal.throwIfAborted()
      }
    }
  }

  /** Upload the file to a new session. Null: the user has cancelled it. */
  private async sendFile(task: Task): Promise<SentFile | null> {
    task.events.onProgress({ state: 'sending', fraction: 0, secondsLeft: null })
    const { sessionId: id, s3Key: key, uploadUrl } = await this.client.upload(task.file.name, task.file.type)
    if (task.abort.signal.aborted) {
      await this.client.cleanup(id)
      return null
    }
    task.events.onStart(id, key)
    try {
      await this.send(task, this.client.link(uploadUrl))
    } catch (error) {
      // An upload address takes one PUT, so a retry needs a new session. Delete this one.
      void this.client.cleanup(id).catch(() => undefined)
      throw error
    }
    return { id, key }
  }

  private send(task: Task, url: string): Promise<void> {
    const started = performance.now()
    const total = task.file.size
    return put(
      new URL(url),
      task.file,
      (bytes) => {
        const seconds = (performance.now() - started) / 1000
        const secondsLeft = bytes > 0 && seconds > 2 ? (seconds / bytes) * (total - bytes) : null
        task.events.onProgress({ fraction: total === 0 ? 1 : Math.min(bytes / total, 1), secondsLeft })
      },
      task.abort.signal,
    )
  }
}
