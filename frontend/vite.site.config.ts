import { defineConfig, mergeConfig } from 'vite'
import app from './vite.config'
import { staticHost } from './site'

/** Build of the page for a static host, such as Netlify (`netlify.toml`). */
export default mergeConfig(app, defineConfig({ build: { outDir: 'dist' }, plugins: [staticHost(process.env)] }))
