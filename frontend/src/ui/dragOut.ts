/** Drag a download link out of the browser, such as into a DAW. */
import type { DragEvent } from 'react'

const TYPES: Record<string, string> = {
  wav: 'audio/wav',
  flac: 'audio/flac',
  mp3: 'audio/mpeg',
  m4a: 'audio/mp4',
  opus: 'audio/ogg',
  mp4: 'video/mp4',
  zip: 'application/zip',
}

/** `DownloadURL`, with which Chromium writes the file where it is dropped. Other browsers drop the address. */
export function downloadUrl(filename: string, url: string): string {
  const extension = filename.split('.').at(-1)?.toLowerCase() ?? ''
  // Colons separate the parts, so the name can't have one.
  return `${TYPES[extension] ?? 'application/octet-stream'}:${filename.replaceAll(':', '-')}:${url}`
}

/** Handler for `dragstart` of a link to a file. `filename`: its name where it is dropped. */
export function dragFile(filename: string): (event: DragEvent<HTMLAnchorElement>) => void {
  return ({ dataTransfer, currentTarget }) => {
    dataTransfer.effectAllowed = 'copy'
    dataTransfer.setData('DownloadURL', downloadUrl(filename, currentTarget.href))
  }
}
