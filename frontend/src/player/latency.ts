/** How long sound takes from the audio graph to the loudspeaker. */

/**
 * Seconds; 0 where the browser doesn't say.
 *
 * Firefox is not asked. With PulseAudio its answer waits for the sound server, which can wait for the graph, and that waits
 * for the page: the tab hangs for ever (Firefox 153 ESR, two of three songs on a busy machine).
 */
export function outputLatency(context: Pick<AudioContext, 'outputLatency'>, browser = navigator.userAgent): number {
  return browser.includes('Firefox/') ? 0 : context.outputLatency || 0
}
