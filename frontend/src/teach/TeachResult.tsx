/** The end of a run: scores, ten seconds before and after, keep or discard. */
import { useEffect, useRef, useState } from 'react'
import { errorMessage } from '../api/problem'
import { formatTime } from '../lib/format'
import { stemName } from '../lib/stems'
import { Curve } from './TeachCurve'
import type { TeachingClient } from './client'
import { dollars } from './steps'
import type { Result, Score } from './types'

interface Props {
  name: string
  result: Result
  curve: readonly Score[]
  client: TeachingClient
  onFinish: (keep: boolean) => void
}

export function TeachResult({ name, result, curve, client, onFinish }: Props) {
  const { before, after, compared_with: comparedWith } = result.sdr_db
  return (
    <section className="teach-result" aria-label={`Result of ${name}`}>
      <h3>{result.better ? `${name} is ready` : `${name} is not better`}</h3>
      {!result.better && <p>Longer learning or more songs can help. You can keep it all the same.</p>}
      <Curve curve={curve} />
      <p className="soft" id="teach-scores">
        Songs that it has never heard: dB, higher is better. Before: {comparedWith}.
      </p>
      <table aria-describedby="teach-scores">
        <thead>
          <tr>
            <th scope="col">Stem</th>
            <th scope="col">Before</th>
            <th scope="col">After</th>
          </tr>
        </thead>
        <tbody>
          {Object.keys(after).map((stem) => (
            <tr key={stem}>
              <th scope="row">{stemName(stem)}</th>
              <td>{decibels(before[stem])}</td>
              <td>{decibels(after[stem])}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {result.billed_usd !== null && <p className="soft">AWS bills {dollars(result.billed_usd)} for the machine.</p>}
      <Clips result={result} client={client} />
      <p className="buttons">
        <button type="button" className={result.better ? 'primary' : ''} onClick={() => onFinish(true)}>
          Keep it
        </button>
        <button type="button" className="quiet" onClick={() => onFinish(false)}>
          Discard it
        </button>
      </p>
    </section>
  )
}

const decibels = (value: number | null | undefined) => (value == null ? '–' : value.toFixed(1))

/** Two sounds of the same ten seconds. Switching goes on at the same place. */
function Clips({ result, client }: Pick<Props, 'result' | 'client'>) {
  const { song, start_s: startS, stems, before } = result.clips
  const [stem, setStem] = useState(Math.max(0, stems.indexOf('vocals')))
  const [after, setAfter] = useState(true)
  const [urls, setUrls] = useState<{ before: string | null; after: string } | null>(null)
  const [problem, setProblem] = useState<string | null>(null)
  const audio = useRef<HTMLAudioElement>(null)
  const place = useRef({ seconds: 0, playing: false })
  const hasBefore = before.includes(stems[stem] ?? '')

  useEffect(() => {
    let current = true
    const loaded: string[] = []
    const load = async () => {
      const load = async (kind: string) => {
        const url = await client.clip(`${kind}-${stem}.wav`)
        loaded.push(url)
        return url
      }
      const found = { before: hasBefore ? await load('before') : null, after: await load('after') }
      if (current) setUrls(found)
    }
    load().catch((error: unknown) => current && setProblem(errorMessage(error)))
    return () => {
      current = false
      for (const url of loaded) URL.revokeObjectURL(url)
    }
  }, [client, stem, hasBefore])

  const remember = () => {
    const player = audio.current
    if (player !== null) place.current = { seconds: player.currentTime, playing: !player.paused }
  }
  const goOn = () => {
    const player = audio.current
    if (player === null) return
    player.currentTime = place.current.seconds
    if (place.current.playing) void player.play()
  }
  const choose = (other: boolean) => {
    remember()
    setAfter(other)
  }
  const url = after || !hasBefore ? urls?.after : urls?.before
  return (
    <div className="teach-clips" role="group" aria-label="Compare by ear">
      <p>
        Ten seconds of “{song}”, from {formatTime(startS)}
      </p>
      <p className="buttons">
        <select
          aria-label="Stem to hear"
          value={stem}
          onChange={(event) => {
            remember()
            setStem(Number(event.target.value))
          }}
        >
          {stems.map((name, number) => (
            <option key={name} value={number}>
              {stemName(name)}
            </option>
          ))}
        </select>
        {hasBefore && (
          <button type="button" aria-pressed={!after} onClick={() => choose(false)}>
            Before
          </button>
        )}
        <button type="button" aria-pressed={after || !hasBefore} onClick={() => choose(true)}>
          After
        </button>
      </p>
      <audio ref={audio} controls loop src={url ?? undefined} onLoadedMetadata={goOn} />
      {problem !== null && <p className="problem">{problem}</p>}
    </div>
  )
}
