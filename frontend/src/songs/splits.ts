/** Stems that are separated further. The parts are made by a session of their own, whose status is watched like a song's. */
import type { Split, Status } from '../api/types'
import { type Estimate, estimateOf, NO_ESTIMATE } from './estimate'
import type { Song } from './song'

export function isActive(split: Split): boolean {
  return split.status === 'AWAITING_UPLOAD' || split.status === 'PENDING' || split.status === 'IN_PROGRESS'
}

/** Ids of the sessions at work on stems of these songs. */
export function activeSplitIds(songs: readonly Song[]): string[] {
  return songs.flatMap((song) => (song.status?.splits ?? []).filter(isActive).map((split) => split.session_id))
}

/** The songs with new statuses of sessions that separate their stems, and the ids of songs whose parts have ended. */
export function withSplitStatuses(songs: readonly Song[], statuses: readonly Status[]): { songs: Song[]; ended: string[] } {
  const byId = new Map(statuses.map((status) => [status.session_id, status]))
  const ended: string[] = []
  const changed = songs.map((song) => {
    const { status } = song
    if (status?.splits === undefined || !status.splits.some((split) => byId.has(split.session_id))) return song
    const splits = status.splits.map((split): Split => {
      const now = byId.get(split.session_id)
      if (now === undefined) return split
      const next = { ...split, status: now.status, progress: now.progress ?? 0, eta_seconds: now.eta_seconds ?? null }
      if (isActive(split) && !isActive(next)) ended.push(status.session_id)
      return { ...next, error_message: now.error_message ?? null }
    })
    return { ...song, status: { ...status, splits } }
  })
  return { songs: changed, ended }
}

/** The times left to show for all stems that are split further. */
export class SplitEstimates {
  private shown = new Map<string, { split: Split; estimate: Estimate }>()

  /** Take over the splits of these songs. */
  update(songs: readonly Song[]): void {
    const splits = songs.flatMap((song) => song.status?.splits ?? [])
    this.shown = new Map(
      splits.map((split) => {
        const before = this.shown.get(split.session_id)
        if (before?.split === split) return [split.session_id, before]
        const estimate = estimateOf(before?.estimate ?? NO_ESTIMATE, before?.split ?? null, split)
        return [split.session_id, { split, estimate }]
      }),
    )
  }

  of(split: Split): Estimate {
    return this.shown.get(split.session_id)?.estimate ?? NO_ESTIMATE
  }
}
