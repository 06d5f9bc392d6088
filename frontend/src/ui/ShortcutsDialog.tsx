import { useRef, useState } from 'react'
import { SHORTCUTS } from '../player/shortcuts'
import { setShortcutsEnabled, shortcutsEnabled } from './shortcutSetting'

export function ShortcutsDialog() {
  const dialog = useRef<HTMLDialogElement>(null)
  const [enabled, setEnabled] = useState(shortcutsEnabled)
  return (
    <dialog id="shortcuts" ref={dialog} aria-labelledby="shortcuts-title">
      <h2 id="shortcuts-title">Keyboard shortcuts</h2>
      <dl>
        {SHORTCUTS.map(([keys, description]) => (
          <div key={keys}>
            <dt>{keys}</dt>
            <dd>{description}</dd>
          </div>
        ))}
      </dl>
      <label className="check">
        <input
          type="checkbox"
          checked={enabled}
          onChange={(event) => {
            setShortcutsEnabled(event.target.checked)
            setEnabled(event.target.checked)
          }}
        />
        <span>Use these shortcuts</span>
      </label>
      <p className="answers">
        <button type="button" className="primary" onClick={() => dialog.current?.close()}>
          Close
        </button>
      </p>
    </dialog>
  )
}
