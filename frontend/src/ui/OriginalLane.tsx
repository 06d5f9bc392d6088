/** The song as it is: a lane above the stems, with the switch between it and the mix. */
import { useMemo } from 'react'
import { combined, type Level } from '../player/peaks'
import { type Timeline, useTimelinePointer } from './timeline'
import type { Stem } from './usePlayer'
import { LoopShade, Waveform } from './Waveform'

interface Props {
  /** The stems that add up to the song. */
  stems: readonly Stem[]
  fullLevel: number
  timeline: Timeline
  /** Whether the original is heard instead of the mix. */
  on: boolean
  setOn: (on: boolean) => void
}

export function OriginalLane({ stems, fullLevel, timeline, on, setOn }: Props) {
  const { view, loop, fine } = timeline
  const wave = useTimelinePointer(timeline)
  const coarse = useMemo(() => combined(stems.map((stem) => stem.peaks)), [stems])
  const finer = useMemo(() => {
    const levels = stems.map((stem) => fine.get(stem.name)).filter((level): level is Level => level !== undefined)
    return levels.length === stems.length ? combined(levels) : null
  }, [stems, fine])
  if (coarse === null) return null
  return (
    <div className={`lane original-lane${on ? '' : ' silent'}`} role="group" aria-label="Original">
      <div className="controls">
        <button
          type="button"
          className="original-switch"
          aria-pressed={on}
          title="Hear the song as it is, and your mix again (O)"
          onClick={() => setOn(!on)}
        >
          Original
        </button>
      </div>
      <div className="wave" ref={wave} aria-hidden="true">
        <Waveform peaks={coarse} fine={finer ?? undefined} fullLevel={fullLevel} view={view} />
        {loop !== null && <LoopShade loop={loop} view={view} />}
        <i className="playhead" />
      </div>
    </div>
  )
}
