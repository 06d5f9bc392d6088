/** Brings files to the server, two at a time, and goes on by itself when the connection has gaps. */
import type { Client } from '../api/client'
import { sleep } from '../api/http'
import { inWords, Problem } from '../api/problem'
import { put } from '../api/put'
import type { Choices } from '../api/types'
import type { Upload } from './song'

const AT_ONCE = 2
/** Between tries, besides waiting for the server to be back: it may answer and yet lose uploads. */
const AGAIN_AFTER_MS = [1000, 2000, 4000, 8000, 15000, 15000, 30000, 60000]

export interface Events {
  /** The server has given an id; it may be another one after a gap. */
  begun: (id: string, inputKey: string) => void
  progress: (upload: Partial<Upload>) => void
  /** The file is there and the work is asked for. */
  done: () => void
}

interface Task {
  file: File
  choices: Choices
  events: Events
  stop: AbortController
}

export class Uploads {
  private waiting: Task[] = []
  private running = 0

  constructor(private readonly client: Client) {}

  /** Queues a file; calling the answer takes it out again, or ends its upload. */
  add(file: File, choices: Choices, events: Events): () => void {
    const task: Task = { file, choices, events, stop: new AbortController() }
    this.waiting.push(task)
    void this.next()
    return () => {
      this.waiting = this.waiting.filter((other) => other !== task)
      task.stop.abort()
    }
  }

  private async next(): Promise<void> {
    if (this.running >= AT_ONCE) return
    const task = this.waiting.shift()
    if (task === undefined) return
    this.running += 1
    try {
      await this.bring(task)
    } catch (error) {
      if (!task.stop.signal.aborted) task.events.progress({ state: 'failed', problem: inWords(error) })
    } finally {
      this.running -= 1
      void this.next()
    }
  }

  private async bring(task: Task): Promise<void> {
    for (let tries = 0; ; tries += 1) {
      let id: string | undefined
      task.events.progress({ state: 'sending', fraction: 0, secondsLeft: null })
      try {
        const upload = await this.client.upload(task.file.name, task.file.type)
        id = upload.sessionId
        if (task.stop.signal.aborted) {
          await this.client.cleanup(id)
          return
        }
        task.events.begun(id, upload.s3Key)
        await this.send(task, this.client.link(upload.uploadUrl))
        await this.client.process(id, upload.s3Key, task.choices)
        task.events.done()
        return
      } catch (error) {
        const wait = AGAIN_AFTER_MS[tries]
        if (task.stop.signal.aborted || (error instanceof Problem && !error.passing) || wait === undefined) throw error
        await sleep(wait, task.stop.signal)
        await this.client.caller.reachability.back(task.stop.signal)
        task.stop.signal.throwIfAborted()
        // An address takes one PUT: the next try gets a session of its own, and the half-filled one goes.
        if (id !== undefined) void this.client.cleanup(id).catch(() => undefined)
      }
    }
  }

  private send(task: Task, url: string): Promise<void> {
    const started = performance.now()
    const total = task.file.size
    return put(
      new URL(url),
      task.file,
      (bytes) => {
        const seconds = (performance.now() - started) / 1000
        const left = bytes > 0 && seconds > 2 ? (seconds / bytes) * (total - bytes) : null
        task.events.progress({ fraction: total === 0 ? 1 : Math.min(bytes / total, 1), secondsLeft: left })
      },
      task.stop.signal,
    )
  }
}
