/** Upload a file to its signed address. Uses XMLHttpRequest, as `fetch` reports no upload progress. */
import { problemFrom, Unreachable } from './problem'

export function put(url: URL, file: File, onProgress: (bytes: number) => void, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest()
    request.open('PUT', url)
    // Exactly the type that the address is signed for: no header where the browser doesn't know the type.
    if (file.type !== '') request.setRequestHeader('Content-Type', file.type)
    request.upload.onprogress = (event) => onProgress(event.loaded)
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
