/** Names, colours and order of stems on the page. */

const NAMES: Record<string, string> = {
  vocals: 'Vocals',
  lead_vocals: 'Lead vocals',
  drums: 'Drums',
  bass: 'Bass',
  other: 'Other',
  guitar: 'Guitar',
  piano: 'Piano',
  hihat: 'Hi-hat',
  no_vocals: 'Accompaniment',
  no_lead_vocals: 'Without lead vocals',
  video: 'Video',
  stem: 'Song and stems',
  mix: 'Song',
}

/** What the API calls the song itself: a stem of this name is its copy, and files from it are those of a comparison. */
export const SONG = 'mix'

/** The format, and the type of its only file, whose song and stems DJ software loads. */
export const STEM_FILE = 'stem'

const DRUM_PIECES = ['kick', 'snare', 'toms', 'hihat', 'ride', 'crash']

const DISPLAY_ORDER = [
  ...['vocals', 'lead_vocals', 'dry', 'clean', 'drums', ...DRUM_PIECES, 'bass'],
  ...['guitar', 'piano', 'other', 'reverb', 'noise'],
]

/** Stems with the colour of another one. */
const COLOURS: Record<string, string> = {
  ...{ lead_vocals: 'vocals', dry: 'vocals', clean: 'vocals', reverb: 'rest', noise: 'rest' },
  ...Object.fromEntries(DRUM_PIECES.map((piece) => [piece, 'drums'])),
}

export function stemName(type: string): string {
  const [stem = '', part] = type.split('.')
  if (part !== undefined) return `${stemName(stem)}: ${partName(stem, part)}`
  const known = NAMES[type]
  if (known !== undefined) return known
  if (type.includes('+')) return namesInWords(type.split('+').map(stemName))
  if (type.startsWith('no_')) return `Without ${stemName(type.slice(3)).toLowerCase()}`
  return type.charAt(0).toUpperCase() + type.slice(1)
}

/** The name of a part of a stem, without the name of the stem: what it is called if that is clear from its place. */
export function partName(stem: string, part: string): string {
  if (part === stem) return `Main ${stemName(part).toLowerCase()}`
  if (part === 'rest' || part === `no_${stem}`) return 'Rest'
  return stemName(part)
}

/** Names in a sentence: "Drums, bass and other". */
export function namesInWords(names: readonly string[]): string {
  const words = names.map((name, index) => (index === 0 ? name : name.charAt(0).toLowerCase() + name.slice(1)))
  return words.length < 2 ? words.join() : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`
}

/** Whether a stem has no pitch that a change of key should move: drums, each of their pieces, and sums of these. */
export function isDrums(type: string): boolean {
  const [stem = '', part = ''] = type.split('.')
  const unpitched = (name: string) => name.split('+').every((one) => one === 'drums' || DRUM_PIECES.includes(one))
  return unpitched(stem) || unpitched(part)
}

/**
 * The stems that add up to the song, of those that a choice of stems has made; null if none surely do. A copy of the
 * song comes last, because nothing can be taken out of it.
 */
export function addingUp(stems: readonly string[], choice: string): string[] | null {
  if (choice === 'all') return [...stems]
  const pair = stems.find((stem) => stems.includes(`no_${stem}`))
  if (pair !== undefined) return [pair, `no_${pair}`]
  const words = choice.split(',').map((word) => word.trim())
  // A list may have overlapping stems beside all of them. With the rest, it has none.
  if (words.includes('all')) return stems.filter((stem) => !/^no_|\+/.test(stem) && stem !== 'rest' && stem !== SONG)
  if (words.includes('rest')) return stems.filter((stem) => stem !== SONG)
  return stems.includes(SONG) ? [SONG] : null
}

/** CSS class with the stem's colour. Stems without a colour of their own share `stem-rest`. */
export function stemClass(type: string): string {
  const name = type.split('.').at(-1) ?? type
  return `stem-${COLOURS[name] ?? (DISPLAY_ORDER.includes(name) ? name : 'rest')}`
}

/** The stem that a choice depends on: `bass` for the backing track `no_bass`. */
export function neededStem(choice: string): string {
  return choice.startsWith('no_') ? choice.slice(3) : choice
}

/** The stems that a choice produces, in display order. */
export function stemsOf(choice: string, modelStems: readonly string[]): string[] {
  if (choice.includes(',') || choice !== neededStem(choice)) return choice.split(',').filter((stem) => stem !== '')
  return choice === 'all' ? inDisplayOrder(modelStems) : [choice, `no_${choice}`]
}

export function inDisplayOrder(stems: readonly string[]): string[] {
  const rank = (stem: string) => (DISPLAY_ORDER.includes(stem) ? DISPLAY_ORDER.indexOf(stem) : DISPLAY_ORDER.length)
  return [...stems].sort((a, b) => rank(a) - rank(b))
}
