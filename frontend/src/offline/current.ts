/** The kept songs of the owner who has the page open, for the player. */
import { KeptSongs } from './kept'

let songs = new KeptSongs(null)

export function setKeptSongs(opened: KeptSongs): void {
  songs = opened
}

/** As `fetch`, for files of songs: a kept file needs no connection. */
export function fetchFile(url: string, init?: RequestInit): Promise<Response> {
  return songs.fetch(url, init)
}
