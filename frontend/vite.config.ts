import { gzipSync } from 'node:zlib'
import { defineConfig, type Plugin } from 'vite'

const SCRIPT_BUDGET = 150 * 1024 // bytes, all scripts of the first view gzipped

/** Fail the build when the scripts of the first view are larger than the budget. Others are loaded when they are used. */
function scriptBudget(): Plugin {
  return {
    name: 'script-budget',
    generateBundle(_options, bundle) {
      const first = Object.values(bundle).flatMap((file) => (file.type === 'chunk' && !file.isDynamicEntry ? [file] : []))
      const sizes = first.map((chunk) => gzipSync(chunk.code).length)
      const total = sizes.reduce((sum, size) => sum + size, 0)
      if (total > SCRIPT_BUDGET) {
        this.error(`The scripts of the first view have ${total} bytes gzipped, more than the budget of ${SCRIPT_BUDGET}.`)
      }
      this.info(`The scripts of the first view have ${total} of ${SCRIPT_BUDGET} bytes gzipped.`)
    },
  }
}

export default defineConfig({
  base: './', // works at a host's root and in any folder
  build: {
    outDir: '../src/unbraid/web/static',
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0, // the Content-Security-Policy allows no data: URLs for these
    modulePreload: { polyfill: false },
  },
  plugins: [scriptBudget()],
  server: {
    // `npm run dev` sends API calls to `./unbraid serve`.
    proxy: { '^/(?!src|@|node_modules|config.json|favicon|$)': { target: 'http://127.0.0.1:8000', ws: true } },
  },
})
