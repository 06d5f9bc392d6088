/** Numbers as people read them. */

/** A place in a song: 4:07, or 1:02:09. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds))
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60]
  const two = (n: number) => String(n).padStart(2, '0')
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`
}

/** How long something takes: rough where it is long, as estimates are. */
export function span(seconds: number): string {
  if (seconds < 1.5) return '1 second'
  if (seconds < 10) return `${Math.round(seconds)} seconds`
  if (seconds < 55) return `${Math.ceil(seconds / 5) * 5} seconds`
  if (seconds < 90) return '1 minute'
  if (seconds < 3570) return `${Math.round(seconds / 60)} minutes`
  const hours = Math.floor(seconds / 3600 + 1 / 120)
  const minutes = Math.max(0, Math.round(seconds / 60 - hours * 60))
  return `${hours} h${minutes > 0 ? ` ${minutes} min` : ''}`
}

/** Bytes, in the units that file managers show. */
export function size(bytes: number): string {
  if (bytes < 1e6) return `${Math.max(1, Math.round(bytes / 1e3))} KB`
  if (bytes < 1e9) return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`
  return `${(bytes / 1e9).toFixed(1)} GB`
}

export function percent(fraction: number): string {
  return `${Math.floor(fraction * 100)} %`
}

/** A day as one would say it: today, tomorrow, else Mon 30 Nov. */
export function day(seconds: number, now: number): string {
  const days = Math.round((midnight(seconds) - midnight(now)) / 86400)
  if (days === 0) return 'today'
  if (days === 1) return 'tomorrow'
  if (days === -1) return 'yesterday'
  return new Date(seconds * 1000).toLocaleDateString('en-GB', { weekday: 'short', day: 'numeric', month: 'short' })
}

function midnight(seconds: number): number {
  const date = new Date(seconds * 1000)
  date.setHours(0, 0, 0, 0)
  return date.getTime() / 1000
}

/** The name of a file without its ending. */
export function title(fileName: string): string {
  return fileName.replace(/(.)\.[a-z0-9]{1,5}$/i, '$1')
}
