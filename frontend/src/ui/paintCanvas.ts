/** Draws with the canvas's own colour as fill. `ratio`: device pixels per CSS pixel; sizes are in device pixels. */
type Draw = (context: CanvasRenderingContext2D, width: number, height: number, ratio: number) => void

/** Draw now and whenever the size of the canvas changes. Returns how to stop that. */
export function paintCanvas(canvas: HTMLCanvasElement | null, draw: Draw): (() => void) | undefined {
  const context = canvas?.getContext('2d')
  if (canvas === null || context == null) return undefined
  const paint = () => {
    const ratio = window.devicePixelRatio || 1
    canvas.width = Math.round(canvas.clientWidth * ratio)
    canvas.height = Math.round(canvas.clientHeight * ratio)
    context.fillStyle = getComputedStyle(canvas).color
    draw(context, canvas.width, canvas.height, ratio)
  }
  paint()
  const observer = new ResizeObserver(paint)
  observer.observe(canvas)
  return () => observer.disconnect()
}
