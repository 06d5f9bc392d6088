import { useState } from 'react'
import { notificationsOn, notificationsSupported, setNotifications } from './notifications'

const REFUSED = 'Your browser blocks notifications. Allow them for this page in its settings.'

/** The switch for notifications of the system. */
export function NotifyMe() {
  const [on, setOn] = useState(notificationsOn)
  const [problem, setProblem] = useState('')
  if (!notificationsSupported()) return null
  const change = async (wanted: boolean) => {
    const now = await setNotifications(wanted)
    setOn(now)
    setProblem(wanted && !now ? REFUSED : '')
  }
  return (
    <span className="notify-me">
      <label className="check">
        <input type="checkbox" role="switch" checked={on} onChange={(event) => void change(event.target.checked)} />
        <span>Notify me when songs are done</span>
      </label>
      {problem !== '' && (
        <span className="problem" role="alert">
          {problem}
        </span>
      )}
    </span>
  )
}
