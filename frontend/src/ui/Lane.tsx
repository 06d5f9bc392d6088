/** One stem: its name and switches, and its waveform. */
import { useEffect, useRef } from 'react'
import { size } from '../lib/format'
import { stemClass, stemName } from '../lib/stems'
import type { OutputFile } from '../api/types'
import type { Engine } from '../player/engine'
import { gains, type Mix, withChannel } from '../player/mixer'
import { columns, type Peaks } from '../player/peaks'
import type { Loop } from '../player/schedule'
import { Icon } from './Icon'
import { useMedia } from './media'
import type { Stem } from './usePlayer'
import { useScrub } from './useScrub'

interface Props {
  stem: Stem
  /** The file to download, with a link that is good now. */
  link: OutputFile
  full: number
  mix: Mix
  setMix: (mix: Mix) => void
  loop: Loop | null
  engine: Engine
}

export function Lane({ stem, link, full, mix, setMix, loop, engine }: Props) {
  const name = stemName(stem.name)
  const channel = mix[stem.name] ?? { volume: 1, muted: false, solo: false }
  const silent = (gains(mix)[stem.name] ?? 0) === 0
  const set = (changes: Partial<typeof channel>) => setMix(withChannel(mix, stem.name, changes))
  const wave = useScrub((fraction) => engine.seek(fraction * engine.layout.samples))
  return (
    <div className={`lane ${stemClass(stem.name)}${silent ? ' silent' : ''}`} role="group" aria-label={name}>
      <div className="strip">
        <span className="stem-name">{name}</span>
        <button
          type="button"
          className="switch mute"
          aria-pressed={channel.muted}
          aria-label={`Mute ${name}`}
          title="Mute"
          onClick={() => set({ muted: !channel.muted })}
        >
          M
        </button>
        <button
          type="button"
          className="switch solo"
          aria-pressed={channel.solo}
          aria-label={`Solo ${name}`}
          title="Solo"
          onClick={() => set({ solo: !channel.solo })}
        >
          S
        </button>
        <input
          type="range"
          className="volume"
          min={0}
          max={200}
          step={5}
          value={Math.round(channel.volume * 100)}
          aria-label={`Volume of ${name}`}
          aria-valuetext={`${Math.round(channel.volume * 100)} %`}
          title={`Volume: ${Math.round(channel.volume * 100)} %. A double click brings it back to 100 %.`}
          onChange={(event) => set({ volume: Number(event.target.value) / 100 })}
          onDoubleClick={() => set({ volume: 1 })}
        />
        <a className="get" href={link.s3_url} download aria-label={`Download ${link.filename}, ${size(link.size)}`}>
          <Icon name="download" />
        </a>
      </div>
      <div className="wave" ref={wave} aria-hidden="true">
        <Wave peaks={stem.peaks} full={full} className="ahead" />
        <Wave peaks={stem.peaks} full={full} className="behind" />
        {loop !== null && <LoopShade loop={loop} samples={engine.layout.samples} />}
        <i className="playhead" />
      </div>
    </div>
  )
}

export function LoopShade({ loop, samples }: { loop: Loop; samples: number }) {
  const left = `${(loop.from / samples) * 100}%`
  const width = `${((loop.to - loop.from) / samples) * 100}%`
  return <i className="loop-shade" style={{ left, width }} />
}

function Wave({ peaks, full, className }: { peaks: Peaks; full: number; className: string }) {
  const canvas = useRef<HTMLCanvasElement>(null)
  const dark = useMedia('(prefers-color-scheme: dark)')
  useEffect(() => {
    const element = canvas.current
    if (element === null) return
    const paint = () => draw(element, peaks, full)
    paint()
    const resized = new ResizeObserver(paint)
    resized.observe(element)
    return () => resized.disconnect()
  }, [peaks, full, dark])
  return <canvas ref={canvas} className={className} />
}

function draw(canvas: HTMLCanvasElement, peaks: Peaks, full: number): void {
  const context = canvas.getContext('2d')
  if (context === null) return
  const ratio = window.devicePixelRatio || 1
  const width = Math.round(canvas.clientWidth * ratio)
  const height = Math.round(canvas.clientHeight * ratio)
  canvas.width = width
  canvas.height = height
  context.fillStyle = getComputedStyle(canvas).color
  const bar = 2 * ratio
  const gap = ratio
  const count = Math.max(1, Math.floor(width / (bar + gap)))
  const found = columns(peaks.pairs, count)
  const scale = full > 0 ? (height / 2 - ratio) / full : 0
  for (let column = 0; column < count; column += 1) {
    // square roots bring quiet passages into sight
    const loud = Math.max(-(found[2 * column] ?? 0), found[2 * column + 1] ?? 0)
    const half = Math.max(ratio * 0.75, Math.sqrt(loud * full) * scale)
    context.beginPath()
    context.roundRect(column * (bar + gap), height / 2 - half, bar, 2 * half, ratio)
    context.fill()
  }
}
