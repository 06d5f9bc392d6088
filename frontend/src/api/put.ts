/** Upload a file or a part of it to its signed address. Uses XMLHttpRequest, as `fetch` reports no upload progress. */
import { problemFrom, Unreachable } from './problem'

/**
 * Without progress for this time, the connection counts as lost: after a laptop's sleep, browsers may wait for hours.
 * At 40 KB/s, the last 4 MB can be in the system's buffers for 100 s.
 */
const STALLED_MS = 120_000

export function put(url: URL, file: Blob, onProgress: (bytes: number) => void, signal: AbortSignal): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    const request = new XMLHttpRequest()
    let stalled: ReturnType<typeof setTimeout> | undefined
    const abort = () => request.abort()
    const end = (settle: () => void) => {
      clearTimeout(stalled)
      signal.removeEventListener('abort', abort)
      settle()
    }
    const watch = () => {
      clearTimeout(stalled)
      stalled = setTimeout(() => {
        end(() => reject(new Unreachable()))
        request.abort()
      }, STALLED_MS)
    }
    request.open('PUT', url)
    // Exactly the type that the address is signed for: no header where the browser doesn't know the type.
    if (file.type !== '') request.setRequestHeader('Content-Type', file.type)
    request.upload.onprogress = (event) => {
      watch()
      onProgress(event.loaded)
    }
    request.onload = () =>
      end(() => {
        if (request.status >= 200 && request.status < 300) resolve()
        else reject(problemFrom(request.status, request.responseText))
      })
    request.onerror = () => end(() => reject(new Unreachable()))
    request.onabort = () => end(() => reject(new DOMException('stopped', 'AbortError')))
    signal.addEventListener('abort', abort)
    watch()
    request.send(file)
  })
}
