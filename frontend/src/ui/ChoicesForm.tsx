/** The form for stems, model and format, with an estimate of the time. */
import type { Choices, Model, Models, ServerConfig } from '../api/types'
import { formatDuration, formatSize } from '../lib/format'
import { inDisplayOrder, stemName } from '../lib/stems'
import { availableStems, modelFor, separationSeconds, stemChoices, TYPICAL_SONG_S } from './models'

interface Props {
  models: Models | null
  config: ServerConfig
  choices: Choices
  /** Show one line that expands, above a list of songs. */
  collapsed: boolean
  onChange: (choices: Choices) => void
}

/** `perMinute`: size of a stereo stem at 44.1 kHz. */
const FORMATS: Record<string, { label: string; perMinute: string }> = {
  wav: { label: 'WAV, lossless', perMinute: '10 MB' },
  flac: { label: 'FLAC, lossless', perMinute: '6 MB' },
  mp3: { label: 'MP3', perMinute: '2.4 MB' },
  m4a: { label: 'M4A', perMinute: '1.9 MB' },
  opus: { label: 'Opus', perMinute: '1.4 MB' },
}

const BEST_MODEL = 'the best model available'
const TYPICAL_SONG = `${TYPICAL_SONG_S / 60}-minute song`

export function ChoicesForm({ models, config, choices, collapsed, onChange }: Props) {
  const set = (changes: Partial<Choices>) => onChange({ ...choices, ...changes })
  const list = models?.models ?? []
  const model = modelFor(choices.model, list)
  const auto = choices.model === 'auto'
  const form = (
    <form className="choices" onSubmit={(event) => event.preventDefault()} aria-label="Separation options">
      <p className="sentence">
        <label>
          <span>Split into</span>
          <select aria-label="Split into stems" value={choices.stems} onChange={(event) => set({ stems: event.target.value })}>
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
              const name = event.target.value
              set({ model: name, stems: availableStems(choices.stems, modelFor(name, list)) })
            }}
          >
            {models?.default === 'auto' && <option value="auto">{BEST_MODEL}</option>}
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
            {config.formats.map((format) => (
              <option key={format} value={format}>
                {FORMATS[format]?.label ?? format.toUpperCase()}
              </option>
            ))}
          </select>
        </label>
      </p>
      <div className="extras">
        <label className="check">
          <input type="checkbox" checked={choices.video} onChange={(event) => set({ video: event.target.checked })} />
          <span>For videos, also make a video without {choices.stems === 'all' ? 'vocals' : choices.stems}</span>
        </label>
        {config.mail && (
          <label className="email">
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
      {model !== undefined && <Estimate model={model} auto={auto} choices={choices} />}
    </form>
  )
  if (!collapsed) return form
  return (
    <details className="collapsed">
      <summary>
        Next songs: {stemsLabel(choices.stems, model)}, with {auto ? BEST_MODEL : choices.model}, as{' '}
        {choices.format.toUpperCase()}
        {choices.notify !== '' && ', by e-mail'} <span className="link">Change</span>
      </summary>
      {form}
    </details>
  )
}

function Estimate({ model, auto, choices }: { model: Model; auto: boolean; choices: Choices }) {
  const seconds = separationSeconds(model, choices.stems, TYPICAL_SONG_S)
  const perMinute = FORMATS[choices.format]?.perMinute
  const sentences = [
    auto ? '' : `${model.name}: ${model.summary}.`,
    `${auto ? `With ${model.name}, a` : 'A'} ${TYPICAL_SONG} takes about ${formatDuration(seconds)} on this server.`,
    model.installed ? '' : `The first song also downloads the model, ${formatSize(model.sizeBytes)}.`,
    model.installed || !auto ? '' : 'If the download fails, a smaller model is used: faster, but with lower quality.',
    perMinute === undefined ? '' : `Each stem file has about ${perMinute} per minute of music.`,
  ]
  return <p className="estimate">{sentences.filter((sentence) => sentence !== '').join(' ')}</p>
}

function stemsLabel(stems: string, model: Model | undefined): string {
  if (stems === 'vocals') return 'vocals and accompaniment'
  if (stems === 'all') return `all stems (${inDisplayOrder(model?.stems ?? []).join(', ')})`
  return `${stemName(stems).toLowerCase()} and the rest`
}

function modelLabel(model: Model, choices: Choices): string {
  const seconds = separationSeconds(model, availableStems(choices.stems, model), TYPICAL_SONG_S)
  return `${model.name} · ${formatDuration(seconds)} for a ${TYPICAL_SONG}`
}
