const STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600]
const MIN_DISTANCE_PX = 64

/** Round times in seconds to label on a ruler `width` pixels wide, far enough apart to read. */
export function ticks(from: number, to: number, width: number): number[] {
  const seconds = to - from
  const step = STEPS_S.find((s) => (s / seconds) * width >= MIN_DISTANCE_PX) ?? 7200
  const labels: number[] = []
  for (let second = Math.ceil(from / step) * step; second < to - step * 0.25; second += step) labels.push(second)
  return labels
}
