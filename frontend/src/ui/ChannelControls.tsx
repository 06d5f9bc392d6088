/** One channel of the mixer: mute, solo, volume and pan, each with its number. */
import type { ReactNode } from 'react'
import { DEFAULT_CHANNEL, type Mix, toggled, withChannel } from '../player/mixer'

interface Props {
  /** Of the channel in the mix. */
  channel: string
  /** For labels. */
  name: string
  mix: Mix
  setMix: (mix: Mix) => void
  /** Why it can't be heard; undefined: it can. */
  unavailable?: string | undefined
  /** The visible name. */
  children: ReactNode
  /** More buttons. */
  more?: ReactNode
}

export function ChannelControls({ channel, name, mix, setMix, unavailable, children, more }: Props) {
  const { volume, pan, muted, solo } = mix[channel] ?? DEFAULT_CHANNEL
  const percent = `${Math.round(volume * 100)} %`
  const change = (changes: { volume?: number; pan?: number }) => setMix(withChannel(mix, channel, changes))
  const disabled = unavailable !== undefined
  const toggle = (control: 'muted' | 'solo') => () => setMix(toggled(mix, channel, control))
  return (
    <div className="controls">
      <span className="stem-name" title={name}>
        {children}
      </span>
      <button
        type="button"
        className="mute"
        aria-pressed={muted}
        aria-label={`Mute ${name}`}
        title={unavailable ?? 'Mute'}
        disabled={disabled}
        onClick={toggle('muted')}
      >
        M
      </button>
      <button
        type="button"
        className="solo"
        aria-pressed={solo}
        aria-label={`Solo ${name}`}
        title={unavailable ?? 'Solo'}
        disabled={disabled}
        onClick={toggle('solo')}
      >
        S
      </button>
      <span className="faders">
        <span className="fader">
          <input
            type="range"
            className="volume"
            min={0}
            max={200}
            step={5}
            value={Math.round(volume * 100)}
            aria-label={`Volume of ${name}`}
            aria-valuetext={percent}
            title={unavailable ?? `Volume: ${percent}. Double-click to reset it to 100 %.`}
            disabled={disabled}
            onChange={(event) => change({ volume: Number(event.target.value) / 100 })}
            onDoubleClick={() => change({ volume: 1 })}
          />
          <span className="fader-number" aria-hidden="true">
            {Math.round(volume * 100)}
          </span>
        </span>
        <span className="fader">
          <input
            type="range"
            className="pan"
            min={-100}
            max={100}
            step={5}
            value={Math.round(pan * 100)}
            aria-label={`Pan of ${name}`}
            aria-valuetext={panText(pan)}
            title={unavailable ?? `Pan: ${panText(pan)}. Double-click to reset it to the middle.`}
            disabled={disabled}
            onChange={(event) => change({ pan: Number(event.target.value) / 100 })}
            onDoubleClick={() => change({ pan: 0 })}
          />
          <span className="fader-number" aria-hidden="true">
            {panNumber(pan)}
          </span>
        </span>
      </span>
      {more}
    </div>
  )
}

/** "middle" or "30 % left", for screen readers and tooltips. */
export function panText(pan: number): string {
  const percent = Math.round(Math.abs(pan) * 100)
  return percent === 0 ? 'middle' : `${percent} % ${pan < 0 ? 'left' : 'right'}`
}

/** "C", "L30" or "R100", as on a mixing desk. */
function panNumber(pan: number): string {
  const percent = Math.round(Math.abs(pan) * 100)
  return percent === 0 ? 'C' : `${pan < 0 ? 'L' : 'R'}${percent}`
}
