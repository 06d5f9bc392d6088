/** The run of the server, read again and again while something happens. */
import { useCallback, useEffect, useState } from 'react'
import { errorMessage } from '../api/problem'
import type { TeachingClient } from './client'
import type { Placed } from './paths'
import type { Start, Teaching } from './types'

const POLL_MS = 2000
/** Phases in which the server does something. */
const WORKING: readonly Teaching['phase'][] = ['checking', 'offering', 'teaching', 'cancelling']

export interface TeachingState {
  teaching: Teaching | null
  /** What went wrong last. */
  problem: string | null
  /** Uploaded files of all; null: nothing is being uploaded. */
  uploads: { done: number; of: number } | null
  add: (files: Placed[]) => void
  check: () => void
  start: (chosen: Start) => void
  /** Start in AWS for this price. */
  accept: (mostUsd: number) => void
  stop: () => void
  finish: (keep: boolean) => Promise<boolean>
}

/** `shown`: whether anything of it is visible. */
export function useTeaching(client: TeachingClient, shown: boolean): TeachingState {
  const [teaching, setTeaching] = useState<Teaching | null>(null)
  const [problem, setProblem] = useState<string | null>(null)
  const [unreachable, setUnreachable] = useState<string | null>(null)
  const [uploads, setUploads] = useState<TeachingState['uploads']>(null)
  const works = teaching !== null && WORKING.includes(teaching.phase)

  useEffect(() => {
    if (!shown) return
    const read = async () => {
      try {
        setTeaching(await client.status())
        setUnreachable(null) // the server has restarted
      } catch (error) {
        setUnreachable(errorMessage(error))
      }
    }
    void read()
    if (!works) return
    const timer = setInterval(() => void read(), POLL_MS)
    return () => clearInterval(timer)
  }, [client, shown, works])

  const attempt = useCallback(async (action: Promise<Teaching>): Promise<boolean> => {
    setProblem(null)
    try {
      setTeaching(await action)
      return true
    } catch (error) {
      setProblem(errorMessage(error))
      return false
    }
  }, [])

  const send = async (files: Placed[]): Promise<Teaching> => {
    setUploads({ done: 0, of: files.length })
    try {
      await client.upload(files, (done) => setUploads({ done, of: files.length }))
      return await client.check()
    } finally {
      setUploads(null)
    }
  }

  const add = (files: Placed[]) => {
    if (files.length === 0) setProblem('There are no sound files in it. Choose the folder with your songs.')
    else void attempt(send(files))
  }
  return {
    teaching,
    problem: problem ?? unreachable,
    uploads,
    add,
    check: () => void attempt(client.check()),
    start: (chosen) => void attempt(client.start(chosen)),
    accept: (mostUsd) => void attempt(client.accept(mostUsd)),
    stop: () => void attempt(client.stop()),
    finish: (keep) => attempt(client.finish(keep)),
  }
}
