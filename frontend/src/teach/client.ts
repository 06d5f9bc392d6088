/** The calls of `/teaching`. */
import { call, type Connection } from '../api/http'
import { problemFrom } from '../api/problem'
import type { Placed } from './paths'
import type { Start, Teaching } from './types'

export class TeachingClient {
  constructor(readonly connection: Connection) {}

  status(): Promise<Teaching> {
    return call(this.connection, 'GET', 'teaching')
  }

  /** Upload stems, one after another. `onFile` receives the number of uploaded files. */
  async upload(files: readonly Placed[], onFile: (count: number) => void): Promise<void> {
    for (const [index, { path, file }] of files.entries()) {
      const url = new URL('teaching/stems', this.connection.base)
      url.searchParams.set('path', path)
      const response = await fetch(url, { method: 'PUT', headers: await this.headers(), body: file })
      if (!response.ok) throw problemFrom(response.status, await response.text())
      onFile(index + 1)
    }
  }

  check(): Promise<Teaching> {
    return call(this.connection, 'POST', 'teaching/check')
  }

  start(chosen: Start): Promise<Teaching> {
    return call(this.connection, 'POST', 'teaching/start', chosen)
  }

  /** Start in AWS for a price that the user has seen. */
  accept(mostUsd: number): Promise<Teaching> {
    return call(this.connection, 'POST', 'teaching/accept', { most_usd: mostUsd })
  }

  stop(): Promise<Teaching> {
    return call(this.connection, 'POST', 'teaching/stop')
  }

  finish(keep: boolean): Promise<Teaching> {
    return call(this.connection, 'POST', 'teaching/finish', { keep })
  }

  /** Ten seconds of a stem, as a URL of this page. */
  async clip(name: string): Promise<string> {
    const response = await fetch(new URL(`teaching/clips/${name}`, this.connection.base), { headers: await this.headers() })
    if (!response.ok) throw problemFrom(response.status, await response.text())
    return URL.createObjectURL(await response.blob())
  }

  private async headers(): Promise<Record<string, string>> {
    const token = await this.connection.token()
    return {
      'X-Browser-Token': this.connection.browserToken,
      ...(token === null ? {} : { Authorization: `Bearer ${token}` }),
    }
  }
}
