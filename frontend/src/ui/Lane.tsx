/** One stem: its name, mixer controls and waveform. */
import { type ReactNode, useEffect, useRef } from 'react'
import { formatSize } from '../lib/format'
import { partName, stemClass, stemName } from '../lib/stems'
import type { OutputFile } from '../api/types'
import type { Engine } from '../player/engine'
import { DEFAULT_CHANNEL, type Groups, isSilent, type Mix, toggled, withChannel } from '../player/mixer'
import { columns, type Peaks } from '../player/peaks'
import type { Loop } from '../player/schedule'
import { Icon } from './Icon'
import { useMediaQuery } from './useMediaQuery'
import type { Stem } from './usePlayer'
import { useScrub } from './useScrub'

interface Props {
  stem: Stem
  /** The file to download, with a current link. */
  file: OutputFile
  /** Level at the full height of the lane, 0 to 1. */
  fullLevel: number
  mix: Mix
  groups: Groups
  setMix: (mix: Mix) => void
  loop: Loop | null
  engine: Engine
  /** Menu for separating the stem further; null for a part. */
  split: ReactNode
}

/** The visible name of a lane. The lane of a part stands below that of its stem. */
export function laneName({ type, from }: OutputFile): string {
  return from == null ? stemName(type) : partName(from, type.slice(from.length + 1))
}

export function Lane({ stem, file, fullLevel, mix, groups, setMix, loop, engine, split }: Props) {
  const name = stemName(stem.name)
  const channel = mix[stem.name] ?? DEFAULT_CHANNEL
  const silent = isSilent(stem.name, mix, groups)
  const isPart = stem.name in groups
  const volume = `${Math.round(channel.volume * 100)} %`
  const setVolume = (volume: number) => setMix(withChannel(mix, stem.name, { volume }))
  const wave = useScrub((fraction) => engine.seek(fraction * engine.layout.samples))
  return (
    <div className={`lane ${stemClass(stem.name)}${isPart ? ' part' : ''}${silent ? ' silent' : ''}`} role="group" aria-label={name}>
      <div className="controls">
        <span className="stem-name">{laneName(file)}</span>
        <button
          type="button"
          className="mute"
          aria-pressed={channel.muted}
          aria-label={`Mute ${name}`}
          title="Mute"
          onClick={() => setMix(toggled(mix, stem.name, 'muted'))}
        >
          M
        </button>
        <button
          type="button"
          className="solo"
          aria-pressed={channel.solo}
          aria-label={`Solo ${name}`}
          title="Solo"
          onClick={() => setMix(toggled(mix, stem.name, 'solo'))}
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
          aria-valuetext={volume}
          title={`Volume: ${volume}. Double-click to reset it to 100 %.`}
          onChange={(event) => setVolume(Number(event.target.value) / 100)}
          onDoubleClick={() => setVolume(1)}
        />
        <span className="volume-number" aria-hidden="true">
          {Math.round(channel.volume * 100)}
        </span>
        <a className="download" href={file.s3_url} download aria-label={`Download ${file.filename}, ${formatSize(file.size)}`}>
          <Icon name="download" />
        </a>
        {split}
      </div>
      <div className="wave" ref={wave} aria-hidden="true">
        <Wave peaks={stem.peaks} fullLevel={fullLevel} className="unplayed" />
        <Wave peaks={stem.peaks} fullLevel={fullLevel} className="played" />
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

function Wave({ peaks, fullLevel, className }: { peaks: Peaks; fullLevel: number; className: string }) {
  const canvas = useRef<HTMLCanvasElement>(null)
  const dark = useMediaQuery('(prefers-color-scheme: dark)')
  useEffect(() => {
    const element = canvas.current
    if (element === null) return
    const paint = () => draw(element, peaks, fullLevel)
    paint()
    const observer = new ResizeObserver(paint)
    observer.observe(element)
    return () => observer.disconnect()
  }, [peaks, fullLevel, dark])
  return <canvas ref={canvas} className={className} />
}

function draw(canvas: HTMLCanvasElement, peaks: Peaks, fullLevel: number): void {
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
  const extremes = columns(peaks.pairs, count)
  const scale = fullLevel > 0 ? (height / 2 - ratio) / fullLevel : 0
  for (let column = 0; column < count; column += 1) {
    // The square root keeps quiet passages visible.
    const level = Math.max(-(extremes[2 * column] ?? 0), extremes[2 * column + 1] ?? 0)
    const half = Math.max(ratio * 0.75, Math.sqrt(level * fullLevel) * scale)
    context.beginPath()
    context.roundRect(column * (bar + gap), height / 2 - half, bar, 2 * half, ratio)
    context.fill()
  }
}
