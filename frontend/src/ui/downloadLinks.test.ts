import { expect, test } from 'vitest'
import type { OutputFile, Status } from '../api/types'
import { downloadLinks, filesInDisplayOrder } from './downloadLinks'

const file = (type: string): OutputFile => ({ type, filename: `${type}.wav`, s3_url: `https://store/${type}`, size: 1, duration: 1 })
const song = (zip_url: string | null): Status => ({
  session_id: 'a', status: 'COMPLETED', zip_url, output_files: ['no_vocals', 'video', 'vocals'].map(file),
}) // prettier-ignore
const types = (files: readonly OutputFile[]) => files.map((one) => one.type)

test('with a ZIP only the video has a link of its own, as the stems have theirs in the player', () => {
  const links = downloadLinks(song('https://zip'), true)
  expect(links).toMatchObject({ zip: 'https://zip', mix: true })
  expect(types(links.files)).toEqual(['video'])
})

test('without a ZIP every file has a link, vocals first', () => {
  const links = downloadLinks(song(null), true)
  expect(links).toMatchObject({ zip: null, mix: true })
  expect(types(links.files)).toEqual(['vocals', 'no_vocals', 'video'])
})

test('the parts of a stem come behind it', () => {
  const part = (name: string) => ({ ...file(`vocals.${name}`), from: 'vocals' })
  const split = { ...song(null), output_files: [file('no_vocals'), file('vocals'), part('other'), part('drums')] }
  expect(types(filesInDisplayOrder(split))).toEqual(['vocals', 'vocals.drums', 'vocals.other', 'no_vocals'])
})

test('the files of a comparison are no parts of the song’s copy', () => {
  const compared = { ...song(null), output_files: [file('mix'), { ...file('mix.vocals'), from: 'mix' }] }
  expect(types(filesInDisplayOrder(compared))).toEqual(['mix'])
})

test('stems that can’t be played can still be downloaded', () => {
  const links = downloadLinks(song('https://zip'), false)
  expect(links.mix).toBe(false)
  expect(types(links.files)).toContain('vocals')
})

test('a stem file has one link, as it has all stems', () => {
  const stem = { ...file('stem'), filename: 'stems.stem.mp4' }
  const links = downloadLinks({ ...song('https://zip'), format: 'stem', output_files: [stem] }, true)
  expect(links).toEqual({ zip: null, files: [stem], mix: false })
})
