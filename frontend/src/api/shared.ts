/** The API calls for a song that another person has shared. They need no sign-in. */
import { Client } from './client'
import { call } from './http'
import type { SharedStatus } from './types'

export class SharedClient extends Client {
  async shared(shareId: string): Promise<SharedStatus> {
    return this.absoluteLinks(await call<SharedStatus>(this.connection, 'GET', `shared/${shareId}`))
  }

  override async mix(shareId: string, gains: Record<string, number>, format: string): Promise<string> {
    return this.mixAt('shared/mix', shareId, gains, format)
  }
}
