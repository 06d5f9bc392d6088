/** Numbers and names as users read them. */

/** A position or length: 4:07, or 1:02:09. */
export function formatTime(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds))
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60]
  const twoDigits = (n: number) => String(n).padStart(2, '0')
  return h > 0 ? `${h}:${twoDigits(m)}:${twoDigits(s)}` : `${m}:${twoDigits(s)}`
}

/** Whether the server understands a text as a time: 65, 65.5, 1:05, 1:02:03, or -0:30 from the end. */
export function isTime(text: string): boolean {
  return /^-?(?:(?:\d+:)?\d+:[0-5]?\d|\d+)(?:\.\d*)?$/.test(text)
}

/** Whether a part surely ends before it starts. With one end counted from the end of the song, the song decides. */
export function isEmptyPart(start: string, end: string): boolean {
  if (!isTime(end) || end.startsWith('-') !== start.startsWith('-')) return false
  const seconds = (text: string) => text.replace('-', '').split(':').reduce((sum, unit) => 60 * sum + Number(unit), 0)
  const [from, to] = [isTime(start) ? seconds(start) : 0, seconds(end)]
  return end.startsWith('-') ? to >= from : to <= from
}

/** A part of a song: "from 1:05 to 1:35". Seconds; negative ones count from the end. */
export function formatPart(start: number | null | undefined, end: number | null | undefined): string {
  const time = (seconds: number) => (seconds < 0 ? `${formatTime(-seconds)} before the end` : formatTime(seconds))
  return [start == null ? [] : [`from ${time(start)}`], end == null ? [] : [`to ${time(end)}`]].flat().join(' ')
}

/** An estimated duration, rounded more coarsely the longer it is. */
export function formatDuration(seconds: number): string {
  if (seconds < 1.5) return '1 second'
  if (seconds < 10) return `${Math.round(seconds)} seconds`
  if (seconds < 55) return `${Math.ceil(seconds / 5) * 5} seconds`
  if (seconds < 90) return '1 minute'
  if (seconds < 3570) return `${Math.round(seconds / 60)} minutes`
  const hours = Math.floor(seconds / 3600 + 1 / 120)
  const minutes = Math.max(0, Math.round(seconds / 60 - hours * 60))
  return `${hours} h${minutes > 0 ? ` ${minutes} min` : ''}`
}

/** A file size, in decimal units as file managers show it. */
export function formatSize(bytes: number): string {
  if (bytes < 1e6) return `${Math.max(1, Math.round(bytes / 1e3))} KB`
  if (bytes < 1e9) return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`
  return `${(bytes / 1e9).toFixed(1)} GB`
}

/** Rounded down, so that only finished work shows 100 %. */
export function formatPercent(fraction: number): string {
  return `${Math.floor(fraction * 100)} %`
}

/** A date relative to `now`: today, tomorrow, yesterday, or Mon 30 Nov. Both are seconds since 1970. */
export function formatDay(seconds: number, now: number): string {
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

/** A file's name without its extension. */
export function songTitle(fileName: string): string {
  return fileName.replace(/(.)\.[a-z0-9]{1,5}$/i, '$1')
}
