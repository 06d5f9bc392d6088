import { useEffect } from 'react'
import type { Status } from '../api/types'
import type { KeptSongs } from './kept'

const AFTER_MS = 5000 // first the player fetches what it needs

/** Keep the open song on this device, unless the user saves data. */
export function useKeepSong(kept: KeptSongs, status: Status | null, reachable: boolean): void {
  const wanted = status?.status === 'COMPLETED' && reachable && !savesData()
  useEffect(() => {
    if (!wanted) return
    const timer = setTimeout(() => void kept.keep(status), AFTER_MS)
    return () => clearTimeout(timer)
  }, [kept, status, wanted])
}

/** Whether the browser's data saver is on. Not all browsers tell. */
function savesData(): boolean {
  return 'connection' in navigator && (navigator.connection as { saveData?: boolean }).saveData === true
}
