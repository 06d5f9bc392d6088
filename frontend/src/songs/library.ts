/** Changes to a person's own songs on the server: names, kept songs, share links, second separations. */
import type { Choices, Status } from '../api/types'
import type { SongList } from './list'

type Change = 'rename' | 'keep' | 'share'

/** Send a change, and show the song as the server has it now. */
async function change(list: SongList, kind: Change, id: string, fields: Record<string, unknown>): Promise<Status> {
  const status = await list.client.change(kind, id, fields)
  list.show(status)
  return status
}

export function rename(list: SongList, id: string, name: string): Promise<Status> {
  return change(list, 'rename', id, { name })
}

/** Exempt a song from expiry, or let it expire again. */
export function keep(list: SongList, id: string, kept: boolean): Promise<Status> {
  return change(list, 'keep', id, { keep: kept })
}

/** Make a share link, or end it. */
export function share(list: SongList, id: string, shared: boolean): Promise<Status> {
  return change(list, 'share', id, { share: shared })
}

/** Separate a song once more with other choices, as a song of its own. Needs no upload. */
export async function separateAgain(list: SongList, id: string, choices: Choices): Promise<void> {
  await list.open(await list.client.again(id, choices))
}

/** On a server with a password, the address of this page that needs none. */
const LINK_PAGE = 'listen'

/** The address of a share link: this page, with the id where no server logs it. */
export function shareLink(page: string, shareId: string, hasPassword: boolean): string {
  const url = hasPassword ? new URL(LINK_PAGE, page) : new URL(page)
  url.search = ''
  url.hash = `/l/${shareId}`
  return url.href
}

/** The id of the share link that an address is; null: it isn’t one. */
export function sharedIdIn(hash: string): string | null {
  return /^#\/l\/([\w-]+)$/.exec(hash)?.[1] ?? null
}

/** Whether an address is the page for share links, on which nothing else can be done. */
export function isLinkPage(address: string): boolean {
  return new URL(address).pathname.endsWith(`/${LINK_PAGE}`)
}
