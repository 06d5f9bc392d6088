/** Line icons on a 20 × 20 grid. Decoration: the button's text or label says what it does. */

const PATHS = {
  play: 'M6 3.5v13l11-6.5z',
  pause: 'M6 4v12M14 4v12',
  loop: 'M4 9V8a3 3 0 0 1 3-3h9m-3-3 3 3-3 3M16 11v1a3 3 0 0 1-3 3H4m3 3-3-3 3-3',
  download: 'M10 3v10m-4-4 4 4 4-4M4 17h12',
  close: 'M5 5l10 10M15 5 5 15',
  delete: 'M4 6h12M8 6V4h4v2m-6.5 0 .7 11h7.600l.7-11',
  retry: 'M16 10a6 6 0 1 1-2-4.500M16 3v4h-4',
  upload: 'M10 14V4m-4 4 4-4 4 4M4 17h12',
  split: 'M3 10h4l5-5h5m-2.500-2.500L17 5l-2.500 2.500M7 10l5 5h5m-2.500-2.500L17 15l-2.500 2.500',
  more: 'M4.500 10h.01M10 10h.01M15.500 10h.01',
  share: 'M10 12V3m-3.500 3L10 2.500 13.500 6M6 9H4v8h12V9h-2',
  down: 'M5 8l5 5 5-5',
} as const

export function Icon({ name }: { name: keyof typeof PATHS }) {
  return (
    <svg className={`icon icon-${name}`} viewBox="0 0 20 20" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  )
}
