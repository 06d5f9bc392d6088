/** The page. */
import { useCallback, useEffect, useState, useSyncExternalStore } from 'react'
import { errorMessage, Problem, Unreachable } from '../api/problem'
import type { Choices, Models, ServerConfig, Status } from '../api/types'
import { formatPercent, songTitle } from '../lib/format'
import type { KeptSongs } from '../offline/kept'
import { useKeepSong } from '../offline/useKeepSong'
import type { SignIn } from '../signin'
import { readChoices, writeChoices } from '../songs/choices'
import type { SongList } from '../songs/list'
import { phaseOf, type Song } from '../songs/song'
import { readOrder, saveOrder, type View, viewed } from '../songs/view'
import { Teach } from '../teach/Teach'
import { ChoicesForm } from './ChoicesForm'
import { ConnectionBanner } from './ConnectionBanner'
import { DropZone } from './DropZone'
import { MissingPart } from './Failure'
import { Header } from './Header'
import { ListTools } from './ListTools'
import { keepFocus } from './keepFocus'
import { availableChoices } from './models'
import { NotifyMe } from './NotifyMe'
import { ShortcutsDialog } from './ShortcutsDialog'
import { openShortcuts } from './shortcutSetting'
import { SignInProblem } from './SignInProblem'
import { SongCard } from './SongCard'
import { useAnnouncement } from './useAnnouncement'

interface Props {
  list: SongList
  kept: KeptSongs
  config: ServerConfig
  signIn: SignIn | null
}

export function App({ list, kept, config, signIn }: Props) {
  const songs = useSyncExternalStore(list.subscribe, list.snapshot)
  const { reachability } = list.client.connection
  const reachable = useSyncExternalStore(reachability.subscribe, reachability.snapshot)
  const [storedChoices, setChoices] = useState(readChoices)
  const [models, setModels] = useState<Models | null>(null)
  const choices = availableChoices(storedChoices, models, config)
  const [notice, setNotice] = useState<string | null>(null)
  const [view, setView] = useState<View>(() => ({ search: '', order: readOrder() }))
  const shown = viewed(songs, view)
  const changeView = (changed: View) => {
    setView(changed)
    saveOrder(changed.order)
  }
  const now = useNow(songs)
  const { open, toggle } = useOpenSong(songs, list, setNotice)
  const announcement = useAnnouncement(songs, now)
  useTitle(songs, now)
  useEffect(keepFocus, [])
  useKeepSong(kept, songs.find((song) => song.key === open)?.status ?? null, reachable)

  useEffect(() => {
    if (!reachable) return // loads again when the server is back
    list.load().catch((error: unknown) => setNotice(noticeOf(error)))
  }, [list, reachable])

  const separating = songs.filter((song) => hasModel(song.status)).length
  const loadModels = useCallback(() => {
    list.client.models().then(setModels, (error: unknown) => setNotice(noticeOf(error)))
  }, [list])
  useEffect(() => {
    if (reachable) loadModels()
  }, [loadModels, reachable, separating]) // a song's start may have downloaded a model, or failed to

  const add = (files: File[]) => {
    const accepted = files.filter((file) => file.size > 0 && file.size <= config.maxBytes)
    const rejected = files.filter((file) => !accepted.includes(file))
    setNotice(rejected.length === 0 ? null : rejection(rejected, config.maxBytes))
    list.add(accepted, choices)
  }
  return (
    <>
      <Header signIn={signIn} />
      <main>
        <ConnectionBanner connection={list.client.connection} />
        {signIn !== null && <SignInProblem signIn={signIn} />}
        <MissingPart />
        <DropZone compact={songs.length > 0} onFiles={add}>
          <ChoicesForm
            models={models}
            config={config}
            choices={choices}
            collapsed={songs.length > 0}
            onChange={(changed: Choices) => {
              setChoices(changed)
              writeChoices(changed)
            }}
          />
        </DropZone>
        {notice !== null && (
          <p className="notice" role="alert">
            {notice}
          </p>
        )}
        <ListTools songs={songs} found={shown.length} view={view} onChange={changeView} />
        {songs.length > 0 && (
          <ul className="songs" aria-label="Songs">
            {shown.map((song) => (
              <SongCard
                key={song.key}
                song={song}
                list={list}
                now={now}
                config={config}
                models={models}
                open={open === song.key}
                onToggle={() => toggle(song)}
              />
            ))}
          </ul>
        )}
        {config.teaching === true && <Teach connection={list.client.connection} onModels={loadModels} />}
      </main>
      <footer>
        <span>Unbraid {config.version}</span>
        <NotifyMe />
        <button type="button" className="link" onClick={openShortcuts}>
          Keyboard shortcuts
        </button>
      </footer>
      <ShortcutsDialog />
      <p className="announcement" role="status">
        {announcement}
      </p>
    </>
  )
}

/** The sentence for an error; null if a banner shows it. */
function noticeOf(error: unknown): string | null {
  const shown = error instanceof Unreachable || (error instanceof Problem && error.status === 401)
  return shown ? null : errorMessage(error)
}

/** Whether the worker has loaded a model for the song, or has failed to. */
function hasModel(status: Status | null): boolean {
  if (status?.status !== 'IN_PROGRESS') return ['COMPLETED', 'FAILED'].includes(status?.status ?? '')
  return status.stage != null && status.stage !== 'downloading'
}

/** Why files were not accepted. */
function rejection(files: readonly File[], maxBytes: number): string {
  const limit = `${Math.floor(maxBytes / 2 ** 20)} MB`
  const reason = (file: File) => (file.size === 0 ? 'is empty' : `is larger than the ${limit} that this server accepts`)
  const sentences = files.map((file) => `“${file.name}” ${reason(file)}.`)
  return `${sentences.join(' ')} Choose another file.`
}

/** The current time in milliseconds, updated as often as the page needs it. */
function useNow(songs: readonly Song[]): number {
  const [now, setNow] = useState(Date.now)
  const uploadingElsewhere = songs.some((song) => song.sent !== undefined && song.upload === undefined)
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), uploadingElsewhere ? 1000 : 60000)
    return () => clearInterval(timer)
  }, [uploadingElsewhere])
  return now
}

/** The open song: from the address (#/s/ID), by a click, or the first one that is done. */
function useOpenSong(songs: readonly Song[], list: SongList, setNotice: (message: string) => void) {
  const [open, setOpen] = useState<string | null>(null)
  const [seen, setSeen] = useState<ReadonlySet<string>>(() => new Set())
  const done = songs.filter((song) => song.status?.status === 'COMPLETED')
  const unseen = done.filter((song) => !seen.has(song.key))
  if (unseen.length > 0) {
    setSeen(new Set([...seen, ...unseen.map((song) => song.key)]))
    const first = unseen[0]
    if (open === null && seen.size === 0 && first !== undefined) setOpen(first.key)
  }
  useEffect(() => {
    const openLinked = async () => {
      const id = /^#\/s\/([\w-]+)$/.exec(location.hash)?.[1]
      if (id === undefined) return
      try {
        if (await list.open(id)) setOpen(list.snapshot().find((song) => song.id === id)?.key ?? null)
        else setNotice('The song of this link no longer exists: it has expired or was deleted.')
      } catch (error) {
        setNotice(errorMessage(error))
      }
    }
    void openLinked()
    const onHashChange = () => void openLinked()
    window.addEventListener('hashchange', onHashChange)
    return () => window.removeEventListener('hashchange', onHashChange)
  }, [list, setNotice])
  return { open, toggle: (song: Song) => setOpen(open === song.key ? null : song.key) }
}

/** Show the progress in the tab's title. */
function useTitle(songs: readonly Song[], now: number): void {
  const working = songs.find((song) => phaseOf(song, now) === 'working')
  const status = working?.status
  const progress = formatPercent(status?.stage === 'downloading' ? 0 : (status?.progress ?? 0))
  const text = working === undefined ? 'Unbraid' : `${progress} ${songTitle(working.name)}`
  useEffect(() => {
    document.title = text
  }, [text])
}
