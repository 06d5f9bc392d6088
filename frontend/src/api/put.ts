/** Sends a file to its signed address. By XMLHttpRequest, as `fetch` doesn't tell how much has been sent. */
import { problemFrom, Unreachable } from './problem'

export function put(url: URL, file: File, sent: (bytes: number) => void, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest()
    request.open('PUT', url)
    // Exactly the type that the address was signed for; for a file of unknown type that is none at all.
    if (file.type !== '') request.setRequestHeader('Content-Type', file.type)
    request.upload.onprogress = (event) => sent(event.loaded)
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) resolve()
      else reject(problemFrom(request.status, request.responseText))
    }
    request.onerror = () => reject(new Unreachable())
    request.onabort = () => reject(new DOMException('stopped', 'AbortError'))
    signal.addEventListener('abort', () => request.abort())
    request.send(file)
  })
}
