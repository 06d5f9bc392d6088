/** Name, length and start. */
import { type SyntheticEvent, useState } from 'react'
import { places } from './steps'
import type { Check, Start, Teaching } from './types'

interface Props {
  teaching: Teaching
  check: Check
  onStart: (chosen: Start) => void
}

const LIST = new Intl.ListFormat('en-GB')

const LENGTHS: Record<string, { label: string; minutes: number | null }> = {
  short: { label: '15 minutes: a first try', minutes: 15 },
  hour: { label: 'an hour', minutes: 60 },
  best: { label: 'until it no longer gets better', minutes: null },
}

export function TeachForm({ teaching, check, onStart }: Props) {
  const [name, setName] = useState(teaching.name)
  const [length, setLength] = useState('hour')
  const [base, setBase] = useState('')
  const [keeps, setKeeps] = useState(false)
  const [inAws, setInAws] = useState(teaching.in_aws)
  const minutes = LENGTHS[length]?.minutes ?? null
  const possible = places(teaching, minutes)
  const aws = possible.length > 1 ? inAws : (possible[0]?.aws ?? false)
  const submit = (event: SyntheticEvent) => {
    event.preventDefault()
    onStart({ name: name.trim(), base: base.trim() || null, minutes, keep_stems: keeps, aws })
  }
  const continues = teaching.curve.length > 0
  return (
    <form className="teach-form" onSubmit={submit} aria-label="Teach it">
      <label>
        <span>Name of the new model</span>
        <input
          value={name}
          required
          maxLength={64}
          pattern="[A-Za-z0-9][A-Za-z0-9_\-]*"
          placeholder="my-singer"
          title="Letters, digits, hyphens and underscores"
          onChange={(event) => setName(event.target.value)}
        />
      </label>
      <label>
        <span>Learn for</span>
        <select value={length} onChange={(event) => setLength(event.target.value)}>
          {Object.entries(LENGTHS).map(([key, { label }]) => (
            <option key={key} value={key}>
              {label}
            </option>
          ))}
        </select>
      </label>
      <label>
        <span>Begin with</span>
        <input list="teach-bases" value={base} placeholder="chosen for you" onChange={(event) => setBase(event.target.value)} />
        <datalist id="teach-bases">
          <option value="lite" />
          <option value="spleeter" />
          {aws && <option value="htdemucs" />}
          {aws && <option value="melband_roformer_kim" />}
        </datalist>
      </label>
      {teaching.aws !== null && (
        <label>
          <span>Where</span>
          <select value={String(aws)} onChange={(event) => setInAws(event.target.value === 'true')}>
            {possible.map((place) => (
              <option key={place.label} value={String(place.aws)}>
                {place.label}
              </option>
            ))}
          </select>
        </label>
      )}
      <label className="check">
        <input type="checkbox" checked={keeps} onChange={(event) => setKeeps(event.target.checked)} />
        <span>Keep my stems on the server for the next time</span>
      </label>
      <button type="submit" className="primary">
        {aws ? 'Show the price' : continues ? 'Continue' : 'Start'}
      </button>
      <p className="soft">
        It learns {LIST.format(check.stems)}.{' '}
        {aws
          ? `Your stems go to the app in your AWS account (${teaching.aws?.region ?? ''}), and are deleted there at the end.`
          : 'Songs that you separate go first; then learning pauses.'}{' '}
        You can close the page.
      </p>
    </form>
  )
}
