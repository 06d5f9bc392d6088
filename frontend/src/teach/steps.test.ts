import { describe, expect, it } from 'vitest'
import { dollars, goesOn, places, stepText } from './steps'
import type { Teaching } from './types'

const run = (changed: Partial<Teaching>): Teaching => ({
  phase: 'teaching',
  busy: false,
  unavailable: null,
  aws: null,
  in_aws: false,
  offer: null,
  name: 'my-singer',
  stems: [],
  check: null,
  curve: [],
  step: null,
  detail: null,
  done: null,
  left_s: null,
  result: null,
  problem: null,
  ...changed,
})
const app = { account: '123456789012', region: 'eu-central-1', deployment: 'unbraid' }

describe('stepText', () => {
  it('says what this computer does', () => {
    expect(stepText(run({}))).toBe('Reading your songs …')
    expect(stepText(run({ step: 'progress', left_s: 600 }))).toBe('Learning · 10 minutes left')
    expect(stepText(run({ step: 'paused', left_s: 600 }))).toBe('Paused, while songs are being separated.')
  })

  it('says what happens in AWS', () => {
    const there = { in_aws: true, left_s: null }
    expect(stepText(run({ ...there, step: 'upload' }))).toBe('Sending your stems to AWS …')
    expect(stepText(run({ ...there, step: 'phase', detail: 'AWS looks for a free machine.' }))).toBe(
      'AWS looks for a free machine.',
    )
    expect(stepText(run({ ...there, step: 'phase', detail: null }))).toBe('AWS works on it …')
    expect(stepText(run({ ...there, step: 'unreachable', left_s: 600 }))).toContain('goes on; this page tries again')
  })
})

describe('goesOn', () => {
  it('needs a training that has started', () => {
    const steps = [null, 'upload', 'build', 'unreachable', 'phase', 'progress', 'score']
    expect(steps.filter((step) => goesOn(run({ in_aws: true, step })))).toEqual(['phase', 'progress', 'score'])
    expect(goesOn(run({ step: 'progress' }))).toBe(false)
  })
})

describe('places', () => {
  const labels = (changed: Partial<Teaching>, minutes: number | null = 60) =>
    places(run(changed), minutes).map(({ label }) => label)

  it('offers AWS only with an app there, and this computer only if it can teach', () => {
    expect(labels({})).toEqual(['On this computer (about 60 minutes)'])
    expect(labels({ aws: app }, null)).toEqual([
      'On this computer (for as long as it helps)',
      'In AWS (you see the price first)',
    ])
    expect(labels({ aws: app, unavailable: 'No PyTorch.' })).toEqual(['In AWS (you see the price first)'])
    expect(labels({ unavailable: 'No PyTorch.' })).toEqual([])
  })
})

describe('dollars', () => {
  it('has cents', () => {
    expect(dollars(1.4)).toBe('1.40 dollars')
  })
})
