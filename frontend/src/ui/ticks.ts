const STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600]
const APART_PX = 64

/** The seconds to be named on a ruler of that width: round ones, never too close to read. */
export function ticks(seconds: number, width: number): number[] {
  const step = STEPS_S.find((s) => (s / seconds) * width >= APART_PX) ?? 7200
  const found: number[] = []
  for (let second = 0; second < seconds - step * 0.25; second += step) found.push(second)
  return found
}
