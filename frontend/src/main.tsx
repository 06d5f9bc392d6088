/** Finds the server, signs in where it asks for that, and shows the page. */
import { StrictMode } from 'react'
import { createRoot, type Root } from 'react-dom/client'
import { Client } from './api/client'
import { sleep } from './api/http'
import { inWords } from './api/problem'
import { Reachability } from './api/reachability'
import type { ServerConfig } from './api/types'
import { apiBase, browserToken } from './config'
import { openSignIn, type SignIn } from './signin'
import { SongList } from './songs/list'
import { App } from './ui/App'
import { Door } from './ui/Door'
import './styles/base.css'
import './styles/page.css'
import './styles/player.css'

async function start(root: Root): Promise<void> {
  const reachability = new Reachability()
  let signIn: SignIn | null = null
  const client = new Client({
    base: await apiBase(),
    browserToken: browserToken(),
    token: async () => (signIn === null ? null : signIn.token()),
    reachability,
  })
  const config = await patient(root, client)
  if (config.signIn !== null) {
    signIn = await openSignIn(config.signIn)
    if (signIn.subject === null) {
      root.render(<Door signIn={signIn} />)
      return
    }
  }
  reachability.ask = () => client.config()
  const list = new SongList(client, signIn?.subject ?? null)
  root.render(
    <StrictMode>
      <App list={list} config={config} signIn={signIn} />
    </StrictMode>,
  )
}

/** The server's settings, asked for until it answers. */
async function patient(root: Root, client: Client): Promise<ServerConfig> {
  for (;;) {
    try {
      return await client.config()
    } catch (error) {
      root.render(<Door words={inWords(error)} />)
      await sleep(3000)
    }
  }
}

const place = document.getElementById('app')
if (place !== null) void start(createRoot(place))
