/** The loops of a song: those that are kept, and the one that is on. */
import { useId, useState } from 'react'
import { cleanName, forgotten, kept, renamed } from '../player/loops'
import type { Loop } from '../player/schedule'
import type { LoadedPlayer } from './usePlayer'

type Props = Pick<LoadedPlayer, 'loop' | 'setLoop' | 'tools' | 'setTools' | 'engine'>

export function Loops({ loop, setLoop, tools, setTools, engine }: Props) {
  const { loops } = tools
  const keep = (one: Loop) => {
    const next = kept(loops, one)
    setTools({ ...tools, loops: next.loops })
    setLoop(next.loop)
  }
  const choose = (one: Loop) => {
    setLoop(one)
    if (!engine.playing) engine.seek(one.from)
  }
  const forget = (name: string) => {
    setTools({ ...tools, loops: forgotten(loops, name) })
    if (loop !== null) setLoop({ from: loop.from, to: loop.to })
  }
  if (loops.length === 0 && loop === null) return null
  return (
    <div className="loops" role="group" aria-label="Loops">
      {loops.map((one) => (
        <button
          key={one.name}
          type="button"
          aria-pressed={loop?.name === one.name}
          onClick={() => (loop?.name === one.name ? setLoop(null) : choose(one))}
        >
          {one.name}
        </button>
      ))}
      {loop !== null && loop.name === undefined && (
        <button type="button" onClick={() => keep(loop)}>
          Keep this loop
        </button>
      )}
      {loop?.name !== undefined && (
        <>
          <LoopName
            key={loop.name}
            name={loop.name}
            rename={(to) => {
              const next = renamed(loops, loop.name ?? '', to)
              if (next === null) return false
              setTools({ ...tools, loops: next })
              setLoop({ ...loop, name: cleanName(to) })
              return true
            }}
          />
          <button type="button" className="quiet" onClick={() => forget(loop.name ?? '')}>
            Remove loop
          </button>
        </>
      )}
    </div>
  )
}

interface NameProps {
  name: string
  /** Returns false if another loop has the name. */
  rename: (to: string) => boolean
}

function LoopName({ name, rename }: NameProps) {
  const [text, setText] = useState(name)
  const [refused, setRefused] = useState(false)
  const id = useId()
  const done = () => {
    const wanted = cleanName(text)
    const accepted = wanted === '' || wanted === name || rename(text)
    setRefused(!accepted)
    if (!accepted || wanted === '') setText(name) // a loop without a name keeps the one it had
  }
  return (
    <span className="loop-name">
      <span aria-hidden="true">Name</span>
      <input
        aria-label="Name of this loop"
        aria-describedby={refused ? id : undefined}
        value={text}
        maxLength={40}
        size={12}
        onChange={(event) => setText(event.target.value)}
        onBlur={done}
        onKeyDown={(event) => {
          if (event.key === 'Enter') done()
        }}
      />
      {refused && (
        <small id={id} role="alert">
          Another loop has this name.
        </small>
      )}
    </span>
  )
}
