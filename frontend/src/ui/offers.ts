/** Which downloads stand below a song. */
import type { OutputFile, Status } from '../api/types'
import { sorted } from '../lib/stems'

export interface Offers {
  zip: string | null
  /** One link each. */
  files: OutputFile[]
  /** Whether the mix as it is set in the player can be had as a file. */
  mixing: boolean
}

/** `played`: the player shows the stems, with a download beside each. `mixes`: the server makes mixes. */
export function offers(status: Status, played: boolean, mixes: boolean): Offers {
  const order = sorted((status.output_files ?? []).map((file) => file.type))
  const all = [...(status.output_files ?? [])].sort((a, b) => order.indexOf(a.type) - order.indexOf(b.type))
  const zip = status.zip_url ?? null
  // Without an archive, whoever wants everything finds all of it in one row.
  const files = played && zip !== null ? all.filter((file) => file.type === 'video') : all
  return { zip, files, mixing: played && mixes }
}
