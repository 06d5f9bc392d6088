/** The form for stems, model and format, with an estimate of the time. */
import type { Choices, Models, ServerConfig, UsedModel } from '../api/types'
import { formatDuration, formatSize, isEmptyPart, isTime } from '../lib/format'
import { neededStem, STEM_FILE, stemName } from '../lib/stems'
import {
  backingTracks, changed, choiceName, hasPart, isQuality, menuOf, missingText, modelNamed, stemChoices, stemsOfChoice, TYPICAL_SONG_S, typicalSeconds, usedModel, withModel,
} from './models' // prettier-ignore

interface Props {
  models: Models | null
  config: ServerConfig
  choices: Choices
  /** Show one line that expands, above a list of songs. */
  collapsed: boolean
  onChange: (choices: Choices) => void
}

interface Setter {
  set: (changes: Partial<Choices>) => void
}

/** `perMinute`: size of a stereo stem at 44.1 kHz. */
const FORMATS: Record<string, { label: string; perMinute: string }> = {
  wav: { label: 'WAV, lossless', perMinute: '10 MB' },
  flac: { label: 'FLAC, lossless', perMinute: '6 MB' },
  mp3: { label: 'MP3', perMinute: '2.4 MB' },
  m4a: { label: 'M4A', perMinute: '1.9 MB' },
  opus: { label: 'Opus', perMinute: '1.4 MB' },
  stem: { label: 'Stem file for DJ software', perMinute: '10 MB' },
}

const TYPICAL_SONG = `song of ${TYPICAL_SONG_S / 60} minutes`

export function ChoicesForm({ models, config, choices, collapsed, onChange }: Props) {
  const set = (changes: Partial<Choices>) => onChange(changed(choices, changes, models))
  const used = models === null ? undefined : usedModel(choices.model, choices.stems, models)
  const all = models === null ? ['vocals'] : stemsOfChoice(choices.model, models)
  // What a video without it is for: the chosen stem, or the vocals among all stems.
  const left = choices.stems === 'all' ? all.find((stem) => stem === 'vocals') : neededStem(choices.stems)
  const backing = models === null ? [] : backingTracks(choices.model, models)
  const form = (
    <form className="choices" onSubmit={(event) => event.preventDefault()} aria-label="Separation options">
      <p className="sentence">
        <label>
          <span>Split into</span>
          <select aria-label="Split into stems" value={choices.stems} onChange={(event) => set({ stems: event.target.value })}>
            {(models === null ? ['vocals'] : stemChoices(choices.model, models)).map((stems) => (
              <option key={stems} value={stems}>
                {stemsLabel(stems, choices.model, models)}
              </option>
            ))}
            {backing.length > 0 && (
              <optgroup label="Only a backing track, to play along">
                {backing.map((stems) => (
                  <option key={stems} value={stems}>
                    {stemsLabel(stems, choices.model, models)}
                  </option>
                ))}
              </optgroup>
            )}
          </select>
        </label>
        <label>
          <span>with</span>
          <ModelMenu models={models} choices={choices} set={set} />
        </label>
        <label>
          <span>as</span>
          <select
            aria-label="As format"
            value={choices.format}
            onChange={(event) => set({ format: event.target.value })}
          >
            {config.formats.map((format) => (
              <option key={format} value={format}>
                {FORMATS[format]?.label ?? format.toUpperCase()}
              </option>
            ))}
          </select>
        </label>
      </p>
      <div className="extras">
        <PartFields choices={choices} set={set} />
        {left !== undefined && !hasPart(choices) && choices.format !== STEM_FILE && (
          <label className="check">
            <input type="checkbox" checked={choices.video} onChange={(event) => set({ video: event.target.checked })} />
            <span>For videos, also make a video without {stemName(left).toLowerCase()}</span>
          </label>
        )}
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
      {models !== null && used !== undefined && <Estimate used={used} models={models} choices={choices} />}
    </form>
  )
  const missing = models !== null && used !== undefined && <Missing used={used} downloads={models.downloads} />
  if (!collapsed)
    return (
      <>
        {form}
        {missing}
      </>
    )
  return (
    <>
      <details className="collapsed">
        <summary>
          Next songs: {stemsLabel(choices.stems, choices.model, models)}, with{' '}
          {choiceName(choices.model, models)}
          {models !== null && used !== undefined && ` (${detail(used, models, choices)})`}, as{' '}
          {choices.format === STEM_FILE ? 'a stem file' : choices.format.toUpperCase()}
          {isTime(choices.start ?? '') && `, from ${choices.start}`}
          {isTime(choices.end ?? '') && `, to ${choices.end}`}
          {choices.video && ', with a video'}
          {choices.notify !== '' && ', by e-mail'} <span className="link">Change</span>
        </summary>
        {form}
      </details>
      {missing}
    </>
  )
}

/** Start and end of the part to separate. */
function PartFields({ choices, set }: Pick<Props, 'choices'> & Setter) {
  const fields = [
    { name: 'start', label: 'Only from', hint: '0:00', value: choices.start ?? '' },
    { name: 'end', label: 'to', hint: 'the end', value: choices.end ?? '' },
  ] as const
  const wrong = fields.filter(({ value }) => value !== '' && !isTime(value)).map(({ value }) => value)
  const empty = isEmptyPart(choices.start ?? '', choices.end ?? '')
  return (
    <>
      <span className="song-part">
        {fields.map(({ name, label, hint, value }) => (
          <label key={name}>
            <span>{label}</span>
            <input
              type="text"
              inputMode="text"
              autoComplete="off"
              size={6}
              aria-label={name === 'start' ? 'Start of the part' : 'End of the part'}
              aria-invalid={value !== '' && !isTime(value)}
              placeholder={hint}
              value={value}
              onChange={(event) => set({ [name]: event.target.value.trim() })}
            />
          </label>
        ))}
      </span>
      {wrong.length > 0 && (
        <span className="warning" role="alert">
          This is not a time, and is not used: {wrong.join(', ')}. Write 1:05 for 1 minute, 5 seconds.
        </span>
      )}
      {empty && (
        <span className="warning" role="alert">
          This part ends before it starts. Songs will be refused.
        </span>
      )}
    </>
  )
}

/** Qualities, purposes, then the models, each with its time for a typical song. */
function ModelMenu({ models, choices, set }: Pick<Props, 'models' | 'choices'> & Setter) {
  const menu = models === null ? { main: [choices.model], purposes: [], byName: [] } : menuOf(models)
  const option = (model: string) => (
    <option key={model} value={model}>
      {choiceName(model, models)}
      {models !== null && time(model, models, choices)}
    </option>
  )
  return (
    <select
      aria-label="With model"
      value={choices.model}
      onChange={(event) => {
        if (models !== null) set(withModel(choices, event.target.value, models))
      }}
    >
      {menu.main.map(option)}
      {menu.purposes.length > 0 && <optgroup label="For">{menu.purposes.map(option)}</optgroup>}
      {menu.byName.length > 0 && <optgroup label="By name">{menu.byName.map(option)}</optgroup>}
    </select>
  )
}

function time(model: string, models: Models, choices: Choices): string {
  const seconds = typicalSeconds(model, withModel(choices, model, models).stems, models)
  return seconds === undefined ? '' : ` · ${formatDuration(seconds)}`
}

/** The model's name unless it was chosen by it, and its time. */
function detail(used: UsedModel, models: Models, choices: Choices): string {
  const name = used.model === choices.model ? '' : `${used.model}, `
  const seconds = typicalSeconds(choices.model, choices.stems, models)
  return `${name}${formatDuration(seconds ?? 0)} for a ${TYPICAL_SONG}`
}

function Estimate({ used, models, choices }: { used: UsedModel; models: Models; choices: Choices }) {
  const seconds = typicalSeconds(choices.model, choices.stems, models) ?? 0
  const { summary, licence } = modelNamed(used.model, models) ?? {}
  const perMinute = FORMATS[choices.format]?.perMinute
  const substitute = isQuality(choices.model)
  const sentences = [
    `The next song uses ${used.model}${summary === undefined ? '' : `: ${summary}`}.`,
    used.installed ? '' : `It also downloads the model, ${formatSize(used.sizeBytes)}.`,
    used.installed || !substitute ? '' : 'If the download fails, another model is used, with lower quality.',
    `A ${TYPICAL_SONG} takes about ${formatDuration(seconds)} on this server.`,
    licence === 'unknown' ? 'Its licence is unknown: ask its author before you publish the stems.' : '',
    perMinute === undefined ? '' : `Each stem file has about ${perMinute} per minute of music.`,
  ]
  return <p className="estimate">{sentences.filter((sentence) => sentence !== '').join(' ')}</p>
}

/** Which better models are missing. Pointing at it shows why. */
function Missing({ used, downloads }: { used: UsedModel; downloads: boolean }) {
  const text = missingText(used, downloads)
  const causes = [...new Set(Object.values(used.passedOver))].join('; ')
  return text === '' ? null : (
    <p className="warning" title={causes}>
      {text}
    </p>
  )
}

function stemsLabel(stems: string, choice: string, models: Models | null): string {
  if (stems === 'vocals') return 'vocals and accompaniment'
  if (stems === 'all') {
    const names = models === null ? ['…'] : stemsOfChoice(choice, models)
    return names.length > 4 ? `all ${names.length} stems` : `all stems (${names.map((name) => stemName(name).toLowerCase()).join(', ')})`
  }
  if (stems !== neededStem(stems)) return `the song without ${stemName(neededStem(stems)).toLowerCase()}`
  return `${stemName(stems).toLowerCase()} and the rest`
}
