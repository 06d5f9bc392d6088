import { gzipSync } from 'node:zlib'
import { defineConfig, type Plugin } from 'vite'

const SCRIPT_BUDGET = 150 * 1024 // bytes of gzip, all scripts together

/** Fails the build when the scripts that a browser may have to fetch outgrow the budget. */
function budget(): Plugin {
  return {
    name: 'script-budget',
    generateBundle(_options, bundle) {
      const sizes = Object.values(bundle).map((file) => (file.type === 'chunk' ? gzipSync(file.code).length : 0))
      const total = sizes.reduce((sum, size) => sum + size, 0)
      if (total > SCRIPT_BUDGET) {
        this.error(`scripts take ${total} bytes gzipped; the budget is ${SCRIPT_BUDGET}`)
      }
      this.info(`scripts take ${total} bytes gzipped, of ${SCRIPT_BUDGET}`)
    },
  }
}

export default defineConfig({
  base: './', // the same build works at the root of a host and below a path
  build: {
    outDir: '../src/unbraid/web/static',
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0, // data: addresses would need room in the Content-Security-Policy
    modulePreload: { polyfill: false },
  },
  plugins: [budget()],
  server: {
    // `npm run dev` beside `./unbraid serve`
    proxy: { '^/(?!src|@|node_modules|config.json|favicon|$)': { target: 'http://127.0.0.1:8000', ws: true } },
  },
})
