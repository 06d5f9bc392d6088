const STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600]
const MIN_DISTANCE_PX = 64
const LABEL_PX = 48 // of "1:00:00" with its line

/** Round times in seconds to label on a ruler `width` pixels wide, far enough apart to read, and not cut off at its end. */
export function ticks(from: number, to: number, width: number): number[] {
  const seconds = to - from
  const step = STEPS_S.find((s) => (s / seconds) * width >= MIN_DISTANCE_PX) ?? 7200
  const labels: number[] = []
  const last = to - (LABEL_PX / width) * seconds
  for (let second = Math.ceil(from / step) * step; second <= last; second += step) labels.push(second)
  return labels
}
