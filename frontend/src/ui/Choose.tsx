/** What is wanted of the songs, as one sentence, and what it costs in time. */
import type { Choices, Model, Models, ServerConfig } from '../api/types'
import { size, span } from '../lib/format'
import { sorted, stemName } from '../lib/stems'
import { modelFor, secondsFor, stemChoices, TYPICAL_S } from './cost'

interface Props {
  models: Models | null
  config: ServerConfig | null
  choices: Choices
  /** One line that opens: there are songs to look at below. */
  folded: boolean
  onChange: (choices: Choices) => void
}

const FORMATS: Record<string, { label: string; perMinute: string }> = {
  wav: { label: 'WAV, exact', perMinute: '10 MB' },
  flac: { label: 'FLAC, exact', perMinute: '6 MB' },
  mp3: { label: 'MP3', perMinute: '2.4 MB' },
  m4a: { label: 'M4A', perMinute: '1.9 MB' },
  opus: { label: 'Opus', perMinute: '1.4 MB' },
}

export function Choose({ models, config, choices, folded, onChange }: Props) {
  const set = (changes: Partial<Choices>) => onChange({ ...choices, ...changes })
  const list = models?.models ?? []
  const model = modelFor(choices.model, list)
  const auto = choices.model === 'auto'
  const form = (
    <form className="choose" onSubmit={(event) => event.preventDefault()} aria-label="What to make of the songs">
      <p className="sentence">
        <label>
          <span>Take out</span>
          <select aria-label="Take out stems" value={choices.stems} onChange={(event) => set({ stems: event.target.value })}>
            {stemChoices(model).map((stems) => (
              <option key={stems} value={stems}>
                {stemsLabel(stems, model)}
              </option>
            ))}
          </select>
        </label>
        <label>
          <span>with</span>
          <select
            aria-label="With model"
            value={choices.model}
            onChange={(event) => {
              const next = modelFor(event.target.value, list)
              const stems = stemChoices(next).includes(choices.stems) ? choices.stems : 'vocals'
              set({ model: event.target.value, stems })
            }}
          >
            {models?.default === 'auto' && <option value="auto">the best model here</option>}
            {list.map((other) => (
              <option key={other.name} value={other.name}>
                {modelLabel(other, choices)}
              </option>
            ))}
          </select>
        </label>
        <label>
          <span>as</span>
          <select aria-label="As format" value={choices.format} onChange={(event) => set({ format: event.target.value })}>
            {(config?.formats ?? ['wav']).map((format) => (
              <option key={format} value={format}>
                {formatLabel(format)}
              </option>
            ))}
          </select>
        </label>
      </p>
      <div className="extras">
        <label className="check">
          <input type="checkbox" checked={choices.video} onChange={(event) => set({ video: event.target.checked })} />
          <span>From videos, also the video {choices.stems === 'all' ? 'without vocals' : `without ${choices.stems}`}</span>
        </label>
        {config?.mail === true && (
          <label className="mail">
            <span>E-mail me when done</span>
            <input
              type="email"
              autoComplete="email"
              placeholder="optional"
              value={choices.notify}
              onChange={(event) => set({ notify: event.target.value.trim() })}
            />
          </label>
        )}
      </div>
      {model !== undefined && <Cost model={model} auto={auto} choices={choices} />}
    </form>
  )
  if (!folded) return form
  return (
    <details className="folded">
      <summary>
        Next: {stemsLabel(choices.stems, model)}, with{' '}
        {auto ? 'the best model here' : choices.model}, as {choices.format.toUpperCase()}
        {choices.notify !== '' && ', by e-mail'} <span className="link">Change</span>
      </summary>
      {form}
    </details>
  )
}

function formatLabel(format: string): string {
  return FORMATS[format]?.label ?? format.toUpperCase()
}

function Cost({ model, auto, choices }: { model: Model; auto: boolean; choices: Choices }) {
  const seconds = secondsFor(model, choices.stems, TYPICAL_S)
  const perMinute = FORMATS[choices.format]?.perMinute
  const download = model.installed ? '' : ` The first one also downloads the model, ${size(model.sizeBytes)}.`
  const instead = model.installed || !auto ? '' : ' Where that can’t be had, lite does the work, faster and less well.'
  return (
    <p className="cost">
      {!auto && `${model.name}: ${model.summary}. `}
      With {auto ? `the best, ${model.name},` : 'it'} a song of {TYPICAL_S / 60} minutes takes about {span(seconds)} here.
      {download}
      {instead}
      {perMinute !== undefined && ` Each file has ${perMinute} a minute.`}
    </p>
  )
}

function stemsLabel(stems: string, model: Model | undefined): string {
  if (stems === 'vocals') return 'vocals and accompaniment'
  if (stems === 'all') return `all: ${sorted(model?.stems ?? []).join(', ')}`
  return `${stemName(stems).toLowerCase()} and the rest`
}

function modelLabel(model: Model, choices: Choices): string {
  const stems = stemChoices(model).includes(choices.stems) ? choices.stems : 'vocals'
  return `${model.name} · ${span(secondsFor(model, stems, TYPICAL_S))} for a song of ${TYPICAL_S / 60} minutes`
}
