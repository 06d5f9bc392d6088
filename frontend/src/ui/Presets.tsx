/** Ready-made mixes, such as the song without its voice. */
import { defaultMix, type Groups, type Mix, presets, sameMix } from '../player/mixer'

interface Props {
  stems: readonly string[]
  /** The choice of stems that made them. */
  choice: string
  groups?: Groups
  mix: Mix
  onChoose: (mix: Mix) => void
}

/** A button for each mix. One that is on is switched off again: the whole song returns. */
export function Presets({ stems, choice, groups = {}, mix, onChoose }: Props) {
  return presets(stems, choice, groups).map((preset) => {
    const on = sameMix(mix, preset.mix)
    return (
      <button key={preset.name} type="button" aria-pressed={on} onClick={() => onChoose(on ? defaultMix(stems) : preset.mix)}>
        {preset.name}
      </button>
    )
  })
}
