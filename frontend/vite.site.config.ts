import { defineConfig, mergeConfig } from 'vite'
import app from './vite.config'
import { site } from './site'

/** The same page for a static host, such as Netlify; `netlify.toml` runs it. */
export default mergeConfig(app, defineConfig({ build: { outDir: 'dist' }, plugins: [site(process.env)] }))
