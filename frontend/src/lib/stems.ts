/** Names, colours and order of stems on the page. */

const NAMES: Record<string, string> = {
  vocals: 'Vocals',
  lead_vocals: 'Lead vocals',
  drums: 'Drums',
  bass: 'Bass',
  other: 'Other',
  guitar: 'Guitar',
  piano: 'Piano',
  no_vocals: 'Accompaniment',
  no_lead_vocals: 'Without lead vocals',
  video: 'Video',
}

const DISPLAY_ORDER = ['vocals', 'lead_vocals', 'dry', 'clean', 'drums', 'bass', 'guitar', 'piano', 'other', 'reverb', 'noise']

/** Stems with the colour of another one. */
const COLOURS: Record<string, string> = { lead_vocals: 'vocals', dry: 'vocals', clean: 'vocals', reverb: 'rest', noise: 'rest' }

export function stemName(type: string): string {
  const known = NAMES[type]
  if (known !== undefined) return known
  if (type.startsWith('no_')) return `Without ${stemName(type.slice(3)).toLowerCase()}`
  return type.charAt(0).toUpperCase() + type.slice(1)
}

/** CSS class with the stem's colour. Stems without a colour of their own share `stem-rest`. */
export function stemClass(type: string): string {
  return `stem-${COLOURS[type] ?? (DISPLAY_ORDER.includes(type) ? type : 'rest')}`
}

/** The stems that a choice produces, in display order. */
export function stemsOf(choice: string, modelStems: readonly string[]): string[] {
  return choice === 'all' ? inDisplayOrder(modelStems) : [choice, `no_${choice}`]
}

export function inDisplayOrder(stems: readonly string[]): string[] {
  const rank = (stem: string) => (DISPLAY_ORDER.includes(stem) ? DISPLAY_ORDER.indexOf(stem) : DISPLAY_ORDER.length)
  return [...stems].sort((a, b) => rank(a) - rank(b))
}
