import type { SongList } from '../songs/list'
import type { KeptSongs } from './kept'

/** Remove kept songs as soon as they leave the list: deleted here or elsewhere, or expired. */
export function removeWithList(list: SongList, kept: KeptSongs): void {
  let before = new Set<string>()
  const update = () => {
    const ids = new Set(list.snapshot().flatMap((song) => (song.id === null ? [] : [song.id])))
    const left = [...before].some((id) => !ids.has(id))
    before = ids
    if (left) void kept.removeOthers(ids)
  }
  update()
  void kept.removeOthers(before)
  list.subscribe(update)
}
