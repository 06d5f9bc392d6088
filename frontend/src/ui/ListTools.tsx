/** Search and order of the list of songs. */
import type { Song } from '../songs/song'
import { needsTools, type Order, ORDERS, type View } from '../songs/view'

interface Props {
  songs: readonly Song[]
  /** Number of songs that the search finds. */
  found: number
  view: View
  onChange: (view: View) => void
}

export function ListTools({ songs, found, view, onChange }: Props) {
  if (!needsTools(songs) && view.search === '') return null
  return (
    <search className="list-tools">
      <input
        type="search"
        aria-label="Search songs"
        placeholder="Search name, key, tempo"
        value={view.search}
        onChange={(event) => onChange({ ...view, search: event.target.value })}
      />
      <select
        aria-label="Order of the songs"
        value={view.order}
        onChange={(event) => onChange({ ...view, order: event.target.value as Order })}
      >
        {Object.entries(ORDERS).map(([order, name]) => (
          <option key={order} value={order}>
            {name}
          </option>
        ))}
      </select>
      <span role="status">{view.search === '' ? '' : `${found} of ${songs.length} songs`}</span>
    </search>
  )
}
