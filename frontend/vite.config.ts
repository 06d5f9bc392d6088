import { defineConfig } from 'vite'
import { compress } from './plugins/compress'
import { scriptBudget } from './plugins/scriptBudget'
import { serviceWorker } from './plugins/serviceWorker'

const SCRIPT_BUDGET = 150 * 1024 // bytes, all scripts of the first view gzipped

export default defineConfig({
  base: './', // works at a host's root and in any folder
  build: {
    outDir: '../src/unbraid/web/static',
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0, // the Content-Security-Policy allows no data: URLs for these
    modulePreload: { polyfill: false },
  },
  plugins: [scriptBudget(SCRIPT_BUDGET), serviceWorker(), compress()],
  server: {
    // `npm run dev` sends API calls to `./unbraid serve`.
    proxy: { '^/(?!src|@|node_modules|config.json|favicon|$)': { target: 'http://127.0.0.1:8000', ws: true } },
  },
})
