import { gzipSync } from 'node:zlib'
import { defineConfig, type Plugin } from 'vite'

const SCRIPT_BUDGET = 150 * 1024 // bytes, all scripts gzipped

/** Fail the build when the scripts are larger than the budget. */
function scriptBudget(): Plugin {
  return {
    name: 'script-budget',
    generateBundle(_options, bundle) {
      const sizes = Object.values(bundle).map((file) => (file.type === 'chunk' ? gzipSync(file.code).length : 0))
      const total = sizes.reduce((sum, size) => sum + size, 0)
      if (total > SCRIPT_BUDGET) {
        this.error(`The scripts have ${total} bytes gzipped, more than the budget of ${SCRIPT_BUDGET}.`)
      }
      this.info(`The scripts have ${total} of ${SCRIPT_BUDGET} bytes gzipped.`)
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
