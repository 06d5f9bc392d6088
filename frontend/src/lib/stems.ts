/** Stems as people call them. */

const NAMES: Record<string, string> = {
  vocals: 'Vocals',
  drums: 'Drums',
  bass: 'Bass',
  other: 'Other',
  guitar: 'Guitar',
  piano: 'Piano',
  no_vocals: 'Accompaniment',
  video: 'Video',
}

/** Stems that have a colour of their own; the rest share one. */
const COLOURED = new Set(['vocals', 'drums', 'bass', 'other', 'guitar', 'piano'])

export function stemName(type: string): string {
  const known = NAMES[type]
  if (known !== undefined) return known
  if (type.startsWith('no_')) return `Without ${stemName(type.slice(3)).toLowerCase()}`
  return type.charAt(0).toUpperCase() + type.slice(1)
}

export function stemClass(type: string): string {
  return `stem-${COLOURED.has(type) ? type : 'rest'}`
}

/** What a choice of stems gives, in the order in which it is shown. */
export function stemsOf(choice: string, model: readonly string[]): string[] {
  return choice === 'all' ? sorted(model) : [choice, `no_${choice}`]
}

const ORDER = ['vocals', 'drums', 'bass', 'guitar', 'piano', 'other']

export function sorted(stems: readonly string[]): string[] {
  const place = (stem: string) => (ORDER.includes(stem) ? ORDER.indexOf(stem) : ORDER.length)
  return [...stems].sort((a, b) => place(a) - place(b))
}
