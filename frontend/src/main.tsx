/** Entry point: find the server, sign in if it requires that, and show the page. */
import { StrictMode } from 'react'
import { createRoot, type Root } from 'react-dom/client'
import { Client } from './api/client'
import { sleep } from './api/http'
import { errorMessage, Problem, Unreachable } from './api/problem'
import { Reachability } from './api/reachability'
import type { ServerConfig } from './api/types'
import { apiBase, browserToken } from './config'
import { setKeptSongs } from './offline/current'
import { removeWithList } from './offline/follow'
import { forgetSongs, KeptSongs } from './offline/kept'
import { keepPage, lastConfig, rememberConfig } from './offline/start'
import { passwordForm, passwordSignIn } from './password'
import { openSignIn, type SignIn } from './signin'
import { isLinkPage, sharedIdIn } from './songs/library'
import { SongList } from './songs/list'
import { App } from './ui/App'
import { SharedPage } from './ui/SharedPage'
import { followFocus } from './ui/focus'
import { Failure, FailureBoundary } from './ui/Failure'
import { Welcome } from './ui/Welcome'
import './styles/base.css'
import './styles/page.css'
import './styles/card.css'
import './styles/list.css'
import './styles/player.css'
import './styles/lanes.css'
import './styles/growing.css'
import './styles/teach.css'
import './styles/touch.css'

const RETRY_MS = 3000
const PAGE = new URL('.', document.baseURI).href

async function start(root: Root): Promise<void> {
  const shareId = sharedIdIn(location.hash)
  if (shareId === null && isLinkPage(location.href)) {
    location.replace(PAGE)
    return
  }
  window.addEventListener('hashchange', () => {
    if (sharedIdIn(location.hash) !== shareId) location.reload()
  })
  const reachability = new Reachability()
  let signIn: SignIn | null = null
  const client = new Client({
    base: await apiBase(),
    browserToken: browserToken(),
    token: async () => (signIn === null ? null : signIn.token()),
    reachability,
    onUnauthorised: () => signIn?.refused(),
  })
  // A share link needs neither sign-in nor password, so nothing else is asked of the server.
  if (shareId !== null) {
    root.render(<SharedPage connection={client.connection} shareId={shareId} />)
    return
  }
  keepPage()
  const config = await waitForConfig(root, client)
  if (config.signIn !== null) {
    signIn = await openSignIn(config.signIn)
    if (signIn.subject === null) {
      root.render(<Welcome signIn={signIn} />)
      return
    }
  }
  if (config.password === true) signIn = passwordSignIn(client.connection.base)
  reachability.probe = () => client.config()
  const owner = signIn?.subject ?? null
  if (signIn !== null) {
    const { signOut } = signIn
    signIn.signOut = async () => {
      await forgetSongs(PAGE, owner)
      await signOut()
    }
  }
  const kept = await KeptSongs.open(PAGE, owner)
  setKeptSongs(kept)
  const list = new SongList(client, owner)
  if (!reachability.snapshot()) list.restore(await kept.statuses())
  removeWithList(list, kept)
  root.render(
    <StrictMode>
      <FailureBoundary>
        <App list={list} kept={kept} config={config} signIn={signIn} />
      </FailureBoundary>
    </StrictMode>,
  )
}

/** The server's configuration, requested until it answers. Without a connection, the one of the last visit. */
async function waitForConfig(root: Root, client: Client): Promise<ServerConfig> {
  for (;;) {
    try {
      const config = await client.config()
      rememberConfig(config)
      return config
    } catch (error) {
      if (error instanceof Problem && error.status === 401) location.assign(passwordForm(client.connection.base))
      const last = error instanceof Unreachable ? lastConfig() : null
      if (last !== null) {
        client.use(last)
        return last
      }
      root.render(<Welcome message={errorMessage(error)} />)
      await sleep(RETRY_MS)
    }
  }
}

const container = document.getElementById('app')
if (container !== null) {
  followFocus()
  const root = createRoot(container)
  start(root).catch((error: unknown) => {
    console.error(error)
    root.render(<Failure error={error} />)
  })
}
