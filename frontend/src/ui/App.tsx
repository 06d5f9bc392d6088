/** The page. */
import { useEffect, useState, useSyncExternalStore } from 'react'
import { inWords, Unreachable } from '../api/problem'
import type { Choices, Models, ServerConfig } from '../api/types'
import type { SignIn } from '../signin'
import type { SongList } from '../songs/list'
import { phaseOf, type Song } from '../songs/song'
import { readChoices, writeChoices } from '../songs/choices'
import { percent, title } from '../lib/format'
import { Choose } from './Choose'
import { possible } from './cost'
import { Drop } from './Drop'
import { KeysDialog } from './KeysDialog'
import { Logo } from './Logo'
import { openKeys } from './keys'
import { SongCard } from './SongCard'

interface Props {
  list: SongList
  config: ServerConfig
  signIn: SignIn | null
}

export function App({ list, config, signIn }: Props) {
  const songs = useSyncExternalStore(list.subscribe, list.snapshot)
  const { reachability } = list.client.caller
  const reachable = useSyncExternalStore(reachability.subscribe, reachability.snapshot)
  const [kept, setChoices] = useState(readChoices)
  const [models, setModels] = useState<Models | null>(null)
  const choices = possible(kept, models, config)
  const [notice, setNotice] = useState<string | null>(null)
  const now = useNow(songs)
  const { open, toggle } = useOpen(songs, list, setNotice)
  const news = useNews(songs, now)
  useTitle(songs, now)

  useEffect(() => {
    if (!reachable) return // at first, and whenever the server comes back
    Promise.all([list.client.models(), list.load()])
      .then(([found]) => setModels(found))
      .catch((error: unknown) => {
        if (!(error instanceof Unreachable)) setNotice(inWords(error))
      })
  }, [list, reachable])

  const add = (files: File[]) => {
    const fits = files.filter((file) => file.size > 0 && file.size <= config.maxBytes)
    setNotice(fits.length === files.length ? null : refused(files.filter((file) => !fits.includes(file)), config))
    list.add(fits, choices)
  }
  return (
    <>
      <Header signIn={signIn} />
      <main>
        {!reachable && (
          <p className="banner" role="alert">
            The server can’t be reached. Trying again by itself; nothing is lost.
          </p>
        )}
        <Drop small={songs.length > 0} onFiles={add}>
          <Choose
            models={models}
            config={config}
            choices={choices}
            folded={songs.length > 0}
            onChange={(next: Choices) => {
              setChoices(next)
              writeChoices(next)
            }}
          />
        </Drop>
        {notice !== null && (
          <p className="notice" role="alert">
            {notice}
          </p>
        )}
        {songs.length > 0 && (
          <ul className="songs" aria-label="Songs">
            {songs.map((song) => (
              <SongCard
                key={song.key}
                song={song}
                list={list}
                now={now}
                config={config}
                open={open === song.key}
                onToggle={() => toggle(song)}
              />
            ))}
          </ul>
        )}
      </main>
      <footer>
        <span>Unbraid {config.version}</span>
        <button type="button" className="link" onClick={openKeys}>
          Keys
        </button>
      </footer>
      <KeysDialog />
      <p className="unseen" role="status">
        {news}
      </p>
    </>
  )
}

export function Header({ signIn }: { signIn: SignIn | null }) {
  return (
    <header className="top">
      <a className="brand" href="./">
        <Logo /> Unbraid
      </a>
      {signIn !== null && signIn.name !== null && (
        <p className="who">
          <span>{signIn.name}</span>
          <button type="button" className="link" onClick={() => void signIn.signOut()}>
            Sign out
          </button>
        </p>
      )}
    </header>
  )
}

function refused(files: readonly File[], config: ServerConfig): string {
  const empty = files.filter((file) => file.size === 0).map((file) => `“${file.name}”`)
  const large = files.filter((file) => file.size > 0).map((file) => `“${file.name}”`)
  const limit = `${Math.floor(config.maxBytes / 2 ** 20)} MB`
  return [
    empty.length > 0 ? `${empty.join(', ')}: nothing in it.` : '',
    large.length > 0 ? `${large.join(', ')}: larger than the ${limit} that this server takes.` : '',
  ].join(' ')
}

/** The clock, as often as something on the page depends on it. */
function useNow(songs: readonly Song[]): number {
  const [now, setNow] = useState(Date.now)
  const ticking = songs.some((song) => song.sent !== undefined && song.upload === undefined)
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), ticking ? 1000 : 60000)
    return () => clearInterval(timer)
  }, [ticking])
  return now
}

/** The song that is open: the one in the address (#/s/ID), the one clicked, or the first that gets done. */
function useOpen(songs: readonly Song[], list: SongList, setNotice: (words: string) => void) {
  const [open, setOpen] = useState<string | null>(null)
  const [seen, setSeen] = useState<ReadonlySet<string>>(() => new Set())
  const done = songs.filter((song) => song.status?.status === 'COMPLETED')
  const fresh = done.filter((song) => !seen.has(song.key))
  if (fresh.length > 0) {
    setSeen(new Set([...seen, ...fresh.map((song) => song.key)]))
    const first = fresh[0]
    if (open === null && seen.size === 0 && first !== undefined) setOpen(first.key)
  }
  useEffect(() => {
    const follow = async () => {
      const id = /^#\/s\/([\w-]+)$/.exec(location.hash)?.[1]
      if (id === undefined) return
      try {
        if (await list.open(id)) setOpen(list.snapshot().find((song) => song.id === id)?.key ?? null)
        else setNotice('The song of that link is not there any more: it has expired, or was deleted.')
      } catch (error) {
        setNotice(inWords(error))
      }
    }
    void follow()
    const changed = () => void follow()
    window.addEventListener('hashchange', changed)
    return () => window.removeEventListener('hashchange', changed)
  }, [list, setNotice])
  return { open, toggle: (song: Song) => setOpen(open === song.key ? null : song.key) }
}

/** What a screen reader says when a song comes to its end. */
function useNews(songs: readonly Song[], now: number): string {
  const [last, setLast] = useState<Record<string, string>>({})
  const [news, setNews] = useState('')
  const ends = Object.fromEntries(songs.map((song) => [song.key, phaseOf(song, now)]))
  const changed = songs.filter((song) => last[song.key] !== ends[song.key])
  if (changed.length > 0) {
    setLast({ ...last, ...ends })
    const said = changed.flatMap((song) => {
      const before = last[song.key]
      const end = ends[song.key]
      if (before === undefined || before === 'loading' || !['done', 'failed', 'cancelled'].includes(end ?? '')) return []
      return [`${title(song.name)}: ${end}.`]
    })
    if (said.length > 0) setNews(said.join(' '))
  }
  return news
}

/** How far the work is, in the tab's title. */
function useTitle(songs: readonly Song[], now: number): void {
  const working = songs.find((song) => phaseOf(song, now) === 'working')
  const text = working === undefined ? 'Unbraid' : `${percent(working.status?.progress ?? 0)} ${title(working.name)}`
  useEffect(() => {
    document.title = text
  }, [text])
}
