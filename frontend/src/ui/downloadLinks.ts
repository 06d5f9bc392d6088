/** Which downloads are offered below a song. */
import type { OutputFile, Status } from '../api/types'
import { inDisplayOrder } from '../lib/stems'

export interface DownloadLinks {
  zip: string | null
  /** Files with a link of their own. */
  files: OutputFile[]
  /** Whether the mix in the player can be downloaded. */
  mix: boolean
}

/** `inPlayer`: the player shows the stems, each with a download link. `mixes`: the server makes mixes. */
export function downloadLinks(status: Status, inPlayer: boolean, mixes: boolean): DownloadLinks {
  const all = filesInDisplayOrder(status)
  const zip = status.zip_url ?? null
  // Without a ZIP archive, show the links of all files in one row.
  const files = inPlayer && zip !== null ? all.filter((file) => file.type === 'video') : all
  return { zip, files, mix: inPlayer && mixes }
}

export function filesInDisplayOrder(status: Status): OutputFile[] {
  const files = status.output_files ?? []
  const order = inDisplayOrder(files.map((file) => file.type))
  return [...files].sort((a, b) => order.indexOf(a.type) - order.indexOf(b.type))
}
