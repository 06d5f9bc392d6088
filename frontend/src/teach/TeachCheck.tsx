/** What the check found in each song, and what to expect. */
import { formatTime } from '../lib/format'
import { stemName } from '../lib/stems'
import type { Check, CheckedSong } from './types'

export function TeachCheck({ check }: { check: Check }) {
  const usable = check.songs.filter((song) => song.usable).length
  return (
    <section className="teach-check" aria-label="Check of the songs">
      <h3>
        {usable} of {check.songs.length} songs can be used: {formatTime(60 * check.minutes)}
      </h3>
      <ul>
        {check.songs.map((song) => (
          <li key={song.song} className={song.usable ? 'good' : 'bad'}>
            <Line song={song} />
          </li>
        ))}
        {check.left_out.map((line) => (
          <li key={line}>{line}</li>
        ))}
      </ul>
      {check.problem !== null && <p className="problem">{check.problem}</p>}
      {check.expect.map((line) => (
        <p key={line}>{line}</p>
      ))}
    </section>
  )
}

function Line({ song }: { song: CheckedSong }) {
  if (!song.usable) return <>{`✗ ${song.song}: ${song.problem ?? ''}`}</>
  const heard = Object.entries(song.audible_s).map(([stem, seconds]) => `${stemName(stem)} ${formatTime(seconds)}`)
  return (
    <>
      ✓ <b>{song.song}</b> {formatTime(song.seconds)}: {heard.join(', ')}
      {song.notes.map((note) => ` · ${note}`)}
      {song.held_out && <span className="soft"> · kept aside, to test what was learnt</span>}
    </>
  )
}
