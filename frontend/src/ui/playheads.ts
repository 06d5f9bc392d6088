/** The lines and waveforms of a timeline that show the playhead. */

/** Places of the playhead on the timeline. With fewer of them than frames, the browser has less to draw. */
const PLACES = 4096 // about the pixels of a wide window on a sharp screen

/** Classes of the elements that show the playhead. */
const SHOWING = ['playhead', 'played']

/**
 * Move the playhead to a fraction of the timeline. Each of these elements has its own style property `--playhead`. When
 * they inherited it, Chromium computed the styles of everything on the timeline again with each frame, and kept 550 MB of
 * them after two minutes (benchmarks/page_memory.py).
 */
export function movePlayheads(timeline: Element, fraction: number): void {
  const value = String(Math.round(fraction * PLACES) / PLACES)
  for (const name of SHOWING) {
    for (const { style } of timeline.getElementsByClassName(name) as HTMLCollectionOf<HTMLElement>) {
      if (style.getPropertyValue('--playhead') !== value) style.setProperty('--playhead', value)
    }
  }
}
