/** Vite plugin: writes each text file of the build also as `.br` and `.gz`, which `unbraid serve` sends. */
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Plugin } from 'vite'

const TEXT = /\.(m?js|css|svg|webmanifest)$/
const MIN_BYTES = 1024 // a smaller file fits in one packet anyway

export function compress(): Plugin {
  return {
    name: 'compress',
    async writeBundle({ dir = '' }, bundle) {
      const paths = Object.keys(bundle).filter((name) => TEXT.test(name)).map((name) => join(dir, name))
      await Promise.all(paths.map(writeCompressed))
    },
  }
}

async function writeCompressed(path: string): Promise<void> {
  const content = await readFile(path)
  if (content.length < MIN_BYTES) return
  const best = { params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY } }
  await writeFile(`${path}.br`, await promisify(brotliCompress)(content, best))
  await writeFile(`${path}.gz`, await promisify(gzip)(content, { level: 9 }))
}
