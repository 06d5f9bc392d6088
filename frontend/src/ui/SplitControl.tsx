/** Separate a stem further: a menu of models, the progress, and the removal of the parts. */
import { useId, useRef, useState } from 'react'
import { errorMessage } from '../api/problem'
import type { Models, Split, Status } from '../api/types'
import { formatDuration, formatPercent, formatSize } from '../lib/format'
import { stemName } from '../lib/stems'
import type { SongList } from '../songs/list'
import { isActive } from '../songs/splits'
import { Icon } from './Icon'
import { type SplitOption, splitOptions } from './splitOptions'

interface Props {
  status: Status
  stem: string
  list: SongList
  models: Models | null
}

export function SplitControl({ status, stem, list, models }: Props) {
  const id = status.session_id
  const name = stemName(stem)
  const split = status.splits?.find((one) => one.from === stem)
  const options = splitOptions(stem, models, status.duration ?? 0)
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<string | null>(null)
  const attempt = (action: Promise<unknown>) => {
    setBusy(true)
    setProblem(null)
    action.catch((error: unknown) => setProblem(errorMessage(error))).finally(() => setBusy(false))
  }
  const active = split !== undefined && isActive(split)
  const done = split?.status === 'COMPLETED'
  const failure = problem ?? (split?.status === 'FAILED' ? split.error_message : null)
  return (
    <>
      {done && (
        <button
          type="button"
          className="split"
          disabled={busy}
          aria-label={`Remove the parts of ${name}`}
          title="Remove the parts"
          onClick={() => attempt(list.removeParts(id, split.session_id))}
        >
          <Icon name="delete" />
        </button>
      )}
      {!active && !done && options.length > 0 && (
        <SplitMenu name={name} options={options} busy={busy} onChoose={(model) => attempt(list.split(id, stem, model))} />
      )}
      {active && (
        <SplitProgress name={name} split={split} busy={busy} onCancel={() => attempt(list.cancelSplit(id, split.session_id))} />
      )}
      <span className="visually-hidden" role="status">
        {done ? `${name} is split into parts.` : ''}
      </span>
      {failure != null && (
        <p className="problem split-row" role="alert">
          {failure}
        </p>
      )}
    </>
  )
}

interface MenuProps {
  name: string
  options: readonly SplitOption[]
  busy: boolean
  onChoose: (model: string) => void
}

function SplitMenu({ name, options, busy, onChoose }: MenuProps) {
  const dialog = useRef<HTMLDialogElement>(null)
  const heading = useId()
  const label = `Split ${name} further`
  return (
    <>
      <button
        type="button"
        className="split"
        disabled={busy}
        aria-haspopup="dialog"
        aria-label={label}
        title={label}
        onClick={() => dialog.current?.showModal()}
      >
        <Icon name="split" />
      </button>
      <dialog ref={dialog} className="split-menu" aria-labelledby={heading}>
        <h2 id={heading}>{label}</h2>
        <p>The parts appear below it and add up to it.</p>
        <ul>
          {options.map(({ model, parts, seconds, installed, sizeBytes }) => (
            <li key={model}>
              <button
                type="button"
                onClick={() => {
                  dialog.current?.close()
                  onChoose(model)
                }}
              >
                <span>{parts}</span>
                <small>
                  {model} · about {formatDuration(seconds)}
                  {installed ? '' : ` · downloads ${formatSize(sizeBytes)} first`}
                </small>
              </button>
            </li>
          ))}
        </ul>
        <p className="answers">
          <button type="button" onClick={() => dialog.current?.close()}>
            Close
          </button>
        </p>
      </dialog>
    </>
  )
}

interface ProgressProps {
  name: string
  split: Split
  busy: boolean
  onCancel: () => void
}

function SplitProgress({ name, split, busy, onCancel }: ProgressProps) {
  const left = split.eta_seconds === null ? '' : `, about ${formatDuration(split.eta_seconds)} left`
  const text = split.status === 'IN_PROGRESS' ? `${formatPercent(split.progress)}${left}` : 'waiting'
  return (
    <>
      <button
        type="button"
        className="split"
        disabled={busy}
        aria-label={`Stop splitting ${name}`}
        title="Stop"
        onClick={onCancel}
      >
        <Icon name="close" />
      </button>
      <div className="split-row split-progress">
        <div
          role="progressbar"
          aria-label={`Splitting ${name}`}
          aria-valuemin={0}
          aria-valuemax={100}
          aria-valuenow={Math.floor(split.progress * 100)}
          aria-valuetext={text}
        >
          <i style={{ width: `${split.progress * 100}%` }} />
        </div>
        <small>
          Splitting with {split.model}: {text}
        </small>
      </div>
    </>
  )
}
