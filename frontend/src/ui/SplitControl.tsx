/** Separate a stem further: a menu of models, the progress, and the removal of the parts. */
import { type RefObject, useId, useRef, useState } from 'react'
import { errorMessage } from '../api/problem'
import type { Models, Split, Status } from '../api/types'
import { formatDuration, formatPercent, formatSize } from '../lib/format'
import { stemName } from '../lib/stems'
import type { SongList } from '../songs/list'
import type { Estimate } from '../songs/estimate'
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
  const dialog = useRef<HTMLDialogElement>(null)
  const split = status.splits?.find((one) => one.from === stem)
  const options = splitOptions(stem, models, status.duration ?? 0)
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<string | null>(null)
  const attempt = (action: () => Promise<unknown>) => {
    if (busy) return
    setBusy(true)
    setProblem(null)
    action()
      .catch((error: unknown) => setProblem(errorMessage(error)))
      .finally(() => setBusy(false))
  }
  const active = split !== undefined && isActive(split)
  const done = split?.status === 'COMPLETED'
  const failure = problem ?? (split?.status === 'FAILED' ? split.error_message : null)
  const menuLabel = `Split ${name} further`
  // One button for all states, so that it keeps the focus.
  const [label, icon] = done
    ? ([`Remove the parts of ${name}`, 'delete'] as const)
    : active
      ? ([`Stop splitting ${name}`, 'close'] as const)
      : ([menuLabel, 'split'] as const)
  const act = () => {
    if (done) attempt(() => list.removeParts(id, split.session_id))
    else if (active) attempt(() => list.cancelSplit(id, split.session_id))
    else dialog.current?.showModal()
  }
  return (
    <>
      {(done || active || options.length > 0) && (
        <button
          type="button"
          className="split"
          aria-label={label}
          aria-haspopup={icon === 'split' ? 'dialog' : undefined}
          title={label}
          onClick={act}
        >
          <Icon name={icon} />
        </button>
      )}
      <SplitMenu
        dialog={dialog}
        label={menuLabel}
        note="The parts appear below it and add up to it."
        options={options}
        onChoose={(model) => attempt(() => list.split(id, stem, model))}
      />
      {active && <SplitProgress name={name} split={split} estimate={list.splitEstimates.of(split)} />}
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
  dialog: RefObject<HTMLDialogElement | null>
  label: string
  /** Where the stems will be. */
  note: string
  options: readonly SplitOption[]
  onChoose: (model: string) => void
}

export function SplitMenu({ dialog, label, note, options, onChoose }: MenuProps) {
  const heading = useId()
  return (
    <dialog ref={dialog} className="split-menu" aria-labelledby={heading}>
      <h2 id={heading}>{label}</h2>
      <p>{note}</p>
      <ul>
        {options.map(({ model, parts, seconds, installed, sizeBytes, licenceKnown }) => (
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
                {licenceKnown ? '' : ' · licence unknown: ask its author before you publish the parts'}
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
  )
}

export function SplitProgress({ name, split, estimate }: { name: string; split: Split; estimate: Estimate }) {
  const { seconds, reason } = estimate
  const left = seconds === null ? '' : `, about ${formatDuration(seconds)} left`
  const text = split.status === 'IN_PROGRESS' ? `${formatPercent(split.progress)}${left}` : `waiting${left}`
  return (
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
        {reason !== '' && `. ${reason}`}
      </small>
    </div>
  )
}
