/** The click: a lane with a mark on every beat. */
import { useEffect, useRef } from 'react'
import { firstBeatFrom } from '../player/beats'
import { CLICK, gains, type Mix } from '../player/mixer'
import { fractionOf, type View } from '../player/view'
import { ChannelControls } from './ChannelControls'
import { type Timeline, useTimelinePointer } from './timeline'
import { paintCanvas } from './paintCanvas'
import { useMediaQuery } from './useMediaQuery'
import { LoopShade } from './Waveform'

export const NO_BEAT = 'This song has no steady beat, so there is no click.'

interface Props {
  mix: Mix
  setMix: (mix: Mix) => void
  timeline: Timeline
}

export function ClickLane({ mix, setMix, timeline }: Props) {
  const { engine, view, loop } = timeline
  const { beats } = engine
  const wave = useTimelinePointer(timeline)
  const missing = beats.length === 0
  const silent = gains(mix)[CLICK] === 0
  return (
    <div className={`lane click${silent ? ' silent' : ''}`} role="group" aria-label="Click">
      <ChannelControls channel={CLICK} name="Click" mix={mix} setMix={setMix} unavailable={missing ? NO_BEAT : undefined}>
        Click
      </ChannelControls>
      <div className="wave" ref={wave} aria-hidden={!missing}>
        {missing ? <p>{NO_BEAT}</p> : <BeatMarks beats={beats} sampleRate={engine.layout.sampleRate} view={view} />}
        {loop !== null && <LoopShade loop={loop} view={view} />}
        <i className="playhead" />
      </div>
    </div>
  )
}

interface MarksProps {
  beats: readonly number[]
  sampleRate: number
  view: View
}

const NARROWEST_PX = 4 // between two marks

function BeatMarks({ beats, sampleRate, view }: MarksProps) {
  const canvas = useRef<HTMLCanvasElement>(null)
  const dark = useMediaQuery('(prefers-color-scheme: dark)')
  useEffect(
    () =>
      paintCanvas(canvas.current, (context, width, height, ratio) => {
        const first = firstBeatFrom(beats, view.from / sampleRate)
        const last = firstBeatFrom(beats, view.to / sampleRate)
        const distance = width / ratio / Math.max(1, last - first)
        const every = 2 ** Math.ceil(Math.log2(Math.max(1, NARROWEST_PX / distance)))
        // The same beats have a mark wherever the view is.
        for (let beat = Math.ceil(first / every) * every; beat < last; beat += every) {
          const x = fractionOf((beats[beat] ?? 0) * sampleRate, view) * width
          context.fillRect(x - ratio / 2, height * 0.25, ratio, height * 0.5)
        }
      }),
    [beats, sampleRate, view, dark],
  )
  return <canvas ref={canvas} />
}
