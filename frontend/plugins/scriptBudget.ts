/** Vite plugin: fails the build when the scripts of the first view are too large. Others are loaded when they are used. */
import { gzipSync } from 'node:zlib'
import type { Plugin } from 'vite'

/** `budget`: bytes of all scripts of the first view, gzipped. */
export function scriptBudget(budget: number): Plugin {
  return {
    name: 'script-budget',
    generateBundle(_options, bundle) {
      const first = Object.values(bundle).flatMap((file) => (file.type === 'chunk' && !file.isDynamicEntry ? [file] : []))
      const sizes = first.map((chunk) => gzipSync(chunk.code).length)
      const total = sizes.reduce((sum, size) => sum + size, 0)
      if (total > budget) {
        this.error(`The scripts of the first view have ${total} bytes gzipped, more than the budget of ${budget}.`)
      }
      this.info(`The scripts of the first view have ${total} of ${budget} bytes gzipped.`)
    },
  }
}
