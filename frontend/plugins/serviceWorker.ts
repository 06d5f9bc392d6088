/** Vite plugin: builds the service worker, which knows all files of the build. */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Plugin, transformWithEsbuild } from 'vite'

const SOURCE = 'worker/sw.ts'
const NOT_KEPT = /^(config\.json|_headers|sw\.js)$/ // changed by the host, or never requested by the page

export function serviceWorker(): Plugin {
  let [root, publicDir] = ['', '']
  return {
    name: 'service-worker',
    apply: 'build',
    configResolved(config) {
      ;({ root, publicDir } = config)
    },
    generateBundle: {
      order: 'post', // after index.html
      async handler(_options, bundle) {
        const published = readdirSync(publicDir)
        const files = [...Object.keys(bundle), ...published].filter((name) => !NOT_KEPT.test(name)).sort()
        const entry = Object.values(bundle).find((file) => file.type === 'chunk' && file.isEntry)
        const checksum = createHash('sha256').update(files.join('\n'))
        for (const name of published) checksum.update(readFileSync(join(publicDir, name)))
        const page = bundle['index.html']
        if (entry === undefined || page?.type !== 'asset') this.error('The build has no page.')
        checksum.update(page.source)
        const define = { FILES: files, ENTRY: entry.fileName, VERSION: checksum.digest('hex').slice(0, 16) }
        const path = join(root, SOURCE)
        const { code } = await transformWithEsbuild(readFileSync(path, 'utf-8'), path, {
          define: Object.fromEntries(Object.entries(define).map(([name, value]) => [name, JSON.stringify(value)])),
          minify: true,
          format: 'iife',
          target: 'es2022',
          tsconfigRaw: {},
          sourcemap: false,
        })
        this.emitFile({ type: 'asset', fileName: 'sw.js', source: code })
      },
    },
  }
}
