/** The row below the transport: ready-made mixes, tempo, key, and what goes by the beat. */
import { defaultMix, type Mix, sameMix } from '../player/mixer'
import { AS_RECORDED, KEYS, TEMPO_PERCENT } from '../player/output'
import { NO_BEAT } from './ClickLane'
import { Presets } from './Presets'
import type { LoadedPlayer } from './usePlayer'

interface Props {
  player: LoadedPlayer
}

export function Practice({ player }: Props) {
  const { stems, groups, mix, setMix, practice, setPractice, choice, setWhole, tools, setTools, engine } = player
  const noBeat = engine.beats.length === 0 ? NO_BEAT : undefined
  const names = stems.map((stem) => stem.name)
  const unchanged = sameMix(mix, defaultMix(names)) && practice.tempo === 1 && practice.key === 0
  const percent = Math.round(practice.tempo * 100)
  const choose = (chosen: Mix) => {
    setWhole(false)
    setMix(chosen)
  }
  return (
    <div className="practice" role="group" aria-label="Practice">
      <Presets stems={names} choice={choice} groups={groups} mix={mix} onChoose={choose} />
      <Step
        label="Tempo"
        value={percent}
        text={`${percent} %`}
        step={5}
        {...TEMPO_PERCENT}
        onChange={(tempo) => setPractice({ ...practice, tempo: tempo / 100 })}
      />
      <Step
        label="Key"
        value={practice.key}
        text={semitones(practice.key)}
        step={1}
        {...KEYS}
        onChange={(key) => setPractice({ ...practice, key })}
      />
      <button
        type="button"
        aria-pressed={tools.countIn && noBeat === undefined}
        disabled={noBeat !== undefined}
        title={noBeat ?? 'Four clicks before the music starts'}
        onClick={() => setTools({ ...tools, countIn: !tools.countIn })}
      >
        Count-in
      </button>
      <button
        type="button"
        aria-pressed={tools.snap && noBeat === undefined}
        disabled={noBeat !== undefined}
        title={noBeat ?? 'Loops start and end on beats. Hold Alt while you drag for any place.'}
        onClick={() => setTools({ ...tools, snap: !tools.snap })}
      >
        Snap to beats
      </button>
      <button
        type="button"
        className="quiet"
        disabled={unchanged}
        onClick={() => {
          choose(defaultMix(names))
          setPractice(AS_RECORDED)
        }}
      >
        Reset
      </button>
    </div>
  )
}

/** "0", "+2" or "−3". */
export function semitones(key: number): string {
  return key === 0 ? '0' : `${key > 0 ? '+' : '−'}${Math.abs(key)}`
}

interface StepProps {
  label: string
  value: number
  text: string
  step: number
  min: number
  max: number
  onChange: (value: number) => void
}

/** A value with a button for less and one for more. */
function Step({ label, value, text, step, min, max, onChange }: StepProps) {
  const to = (next: number) => onChange(Math.max(min, Math.min(max, next)))
  return (
    <span className="step" role="group" aria-label={label}>
      <span className="step-label">{label}</span>
      <button type="button" aria-label={`${label}: less`} disabled={value <= min} onClick={() => to(value - step)}>
        −
      </button>
      <output aria-label={label}>{text}</output>
      <button type="button" aria-label={`${label}: more`} disabled={value >= max} onClick={() => to(value + step)}>
        +
      </button>
    </span>
  )
}
