import { useRef, useState } from 'react'
import { KEYS } from '../player/keys'
import { keysAreOn, setKeys } from './keys'

export function KeysDialog() {
  const dialog = useRef<HTMLDialogElement>(null)
  const [on, setOn] = useState(keysAreOn)
  return (
    <dialog id="keys" ref={dialog} aria-labelledby="keys-title">
      <h2 id="keys-title">Keys</h2>
      <dl>
        {KEYS.map(([keys, what]) => (
          <div key={keys}>
            <dt>{keys}</dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <label className="check">
        <input
          type="checkbox"
          checked={on}
          onChange={(event) => {
            setKeys(event.target.checked)
            setOn(event.target.checked)
          }}
        />
        <span>Use these keys while a song is open</span>
      </label>
      <button type="button" className="primary" onClick={() => dialog.current?.close()}>
        Close
      </button>
    </dialog>
  )
}
