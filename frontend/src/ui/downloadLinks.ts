/** Which downloads are offered below a song. */
import type { OutputFile, Status } from '../api/types'
import { inDisplayOrder, SONG, STEM_FILE } from '../lib/stems'

export interface DownloadLinks {
  zip: string | null
  /** Files with a link of their own. */
  files: OutputFile[]
  /** Whether the mix in the player can be downloaded. */
  mix: boolean
}

/** `inPlayer`: the player shows the stems, each with a download link. */
export function downloadLinks(status: Status, inPlayer: boolean): DownloadLinks {
  const all = filesInDisplayOrder(status)
  const zip = status.zip_url ?? null
  if (all.some((file) => file.type === STEM_FILE)) return { zip: null, files: all, mix: false }
  // Without a ZIP archive, show the links of all files in one row.
  const files = inPlayer && zip !== null ? all.filter((file) => file.type === 'video') : all
  return { zip, files, mix: inPlayer }
}

/** The files of a session: vocals first, and the parts of a stem behind it. Those of a comparison have a place of their own. */
export function filesInDisplayOrder(status: Status): OutputFile[] {
  const files = (status.output_files ?? []).filter((file) => file.from !== SONG)
  const partsOf = (stem: string | null) => sorted(files.filter((file) => (file.from ?? null) === stem))
  return partsOf(null).flatMap((file) => [file, ...partsOf(file.type)])
}

function sorted(files: readonly OutputFile[]): OutputFile[] {
  const nameOf = (file: OutputFile) => file.type.split('.').at(-1) ?? file.type
  const order = inDisplayOrder(files.map(nameOf))
  return [...files].sort((a, b) => order.indexOf(nameOf(a)) - order.indexOf(nameOf(b)))
}
