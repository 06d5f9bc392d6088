/** Places of chosen and dropped files: SONG/STEM, as the server stores them. */

export interface Placed {
  /** SONG/STEM, such as `First song/vocals.wav`, or a stem file such as `First song.stem.mp4`. */
  path: string
  file: File
}

const SOUND = /\.(wav|flac|aiff?|mp3|m4a|ogg|opus|wma|mp4)$/i
const STEM_FILE = /\.stem\.(mp4|m4a)$/i
/** Song of files that are in no folder. */
export const LOOSE = 'Song'

/** The place of a file with this path on the user's computer; null if it is not a sound. */
export function placeOf(path: string): string | null {
  const parts = path.split('/').filter((part) => part !== '')
  const name = parts.at(-1) ?? ''
  if (name.startsWith('.') || !SOUND.test(name)) return null
  if (STEM_FILE.test(name)) return name
  return `${parts.at(-2) ?? LOOSE}/${name}`
}

export function placed(files: readonly { path: string; file: File }[]): Placed[] {
  return files.flatMap(({ path, file }) => {
    const place = placeOf(path)
    return place === null ? [] : [{ path: place, file }]
  })
}

/** Files of a dialog for folders or files. */
export function chosen(files: FileList | null): Placed[] {
  return placed([...(files ?? [])].map((file) => ({ path: file.webkitRelativePath || file.name, file })))
}

/** Files of a drop, also of dropped folders. */
export async function dropped(data: DataTransfer): Promise<Placed[]> {
  // The entries are gone after the first pause, so all are read before it.
  const entries = [...data.items].map((item) => item.webkitGetAsEntry())
  const found = await Promise.all(entries.flatMap((entry) => (entry === null ? [] : [filesIn(entry)])))
  return placed(found.flat())
}

async function filesIn(entry: FileSystemEntry): Promise<{ path: string; file: File }[]> {
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject))
    return [{ path: entry.fullPath, file }]
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader()
  const entries: FileSystemEntry[] = []
  for (;;) {
    // A reader returns a hundred entries at a time.
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject))
    if (some.length === 0) break
    entries.push(...some)
  }
  return (await Promise.all(entries.map(filesIn))).flat()
}
