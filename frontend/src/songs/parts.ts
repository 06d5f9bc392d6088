/** Send a large file in parts. The server knows which parts have arrived, so the same call resumes an upload. */
import type { Client } from '../api/client'
import { Problem } from '../api/problem'
import { put } from '../api/put'
import type { UploadParts } from '../api/types'

/** With two files at a time, this takes four of the six connections that browsers open to a host. */
const PARALLEL_PARTS = 2

/** An expired link, or a server that gave up waiting for the part. New links may help. */
const REFUSED_LINK = [400, 403, 404, 408]

export interface PartEvents {
  /** Bytes of the file that have arrived or are being sent. */
  onProgress: (bytes: number) => void
  /** One more part has arrived. */
  onPart: () => void
}

/** Send the missing parts, and join all of them. */
export async function sendParts(client: Client, id: string, file: File, events: PartEvents, signal: AbortSignal): Promise<void> {
  for (;;) {
    const upload = await client.uploadParts(id)
    signal.throwIfAborted()
    if (upload.parts.length === 0) break
    await sendMissing(client, upload, file, events, signal)
  }
  await client.completeUpload(id)
}

/** Send the parts of one answer. After an error, parts that are being sent are finished and no more are begun. */
async function sendMissing(
  client: Client,
  upload: UploadParts,
  file: File,
  events: PartEvents,
  signal: AbortSignal,
): Promise<void> {
  const start = (number: number) => (number - 1) * upload.partBytes
  const size = (number: number) => Math.min(upload.partBytes, file.size - start(number))
  const waiting = [...upload.parts]
  const sending = new Map<number, number>()
  let arrived = upload.uploaded.reduce((sum, number) => sum + size(number), 0)
  let failed = false
  const report = () => events.onProgress([...sending.values()].reduce((sum, bytes) => sum + bytes, arrived))
  const send = async () => {
    for (let part = waiting.shift(); part !== undefined; part = failed ? undefined : waiting.shift()) {
      const { number, url } = part
      const bytes = file.slice(start(number), start(number) + size(number))
      const onProgress = (sent: number) => {
        sending.set(number, sent)
        report()
      }
      try {
        await put(new URL(client.link(url)), bytes, onProgress, signal)
        arrived += size(number)
        events.onPart()
      } catch (error) {
        failed = true
        throw error
      } finally {
        sending.delete(number)
        report()
      }
    }
  }
  report()
  const results = await Promise.allSettled(Array.from({ length: PARALLEL_PARTS }, send))
  const failure = results.find((result) => result.status === 'rejected')
  if (failure !== undefined) throw retryable(failure.reason)
}

function retryable(error: unknown): unknown {
  const again = error instanceof Problem && REFUSED_LINK.includes(error.status)
  return again ? new Problem(503, error.message) : error
}

/** A file as this browser can recognise it when the user chooses it again. */
export interface FileIdentity {
  name: string
  size: number
  /** Milliseconds since 1970. */
  lastModified: number
}

export function identityOf({ name, size, lastModified }: FileIdentity): FileIdentity {
  return { name, size, lastModified }
}

export function isSameFile(one: FileIdentity, other: FileIdentity): boolean {
  return one.name === other.name && one.size === other.size && one.lastModified === other.lastModified
}
