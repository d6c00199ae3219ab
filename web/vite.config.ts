/// <reference types="vitest/config" />
import react from '@vitejs/plugin-react'
import { fileURLToPath } from 'node:url'
import { defineConfig, type ProxyOptions } from 'vite'

import { mantineStyles } from './mantine-styles.ts'
import { trim, withoutDiffEditor, withoutPrettier } from './playground/trim.ts'

const server = process.env.LOREBRIDGE_URL ?? 'http://127.0.0.1:8080'
const toServer: ProxyOptions = { target: server, ws: true }

/** The app is built from the package's sources, as it is checked with them: tsconfig.app.json. */
const ours = { '@lorebridge/realtime': fileURLToPath(new URL('packages/realtime/src', import.meta.url)) }

/** Names carry no hash: the build is committed, the server answers by ETag, and a change shows where it is. */
export default defineConfig({
  plugins: [react(), mantineStyles(), withoutDiffEditor()],
  resolve: { alias: { ...ours, ...trim } },
  build: {
    target: 'es2022',
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    chunkSizeWarningLimit: 2000, // kB: Monaco, which only the playground loads
    rolldownOptions: {
      // GraphiQL's packages are marked for a compiler of React's that is not used here.
      onLog(level, log, report) {
        if (log.code !== 'MODULE_LEVEL_DIRECTIVE') report(level, log)
      },
      input: { app: 'index.html', playground: 'playground.html' },
      output: {
        entryFileNames: 'assets/[name].js',
        chunkFileNames: 'assets/[name].js',
        assetFileNames: 'assets/[name][extname]',
        codeSplitting: { groups: [{ name: 'react', test: /node_modules\/(react|react-dom|scheduler)\// }] },
      },
    },
  },
  worker: {
    format: 'es',
    plugins: () => [withoutPrettier()],
    rolldownOptions: { output: { entryFileNames: 'assets/[name].js', codeSplitting: false } },
  },
  // `npm run dev` shows the app with its changes at once, against a server that runs beside it.
  server: {
    host: '127.0.0.1', // as the server: localhost may be ::1 alone
    proxy: {
      '/graphql': toServer,
      '/pusher': toServer,
      '/app/': toServer,
      '^/playground(\\?|$)': { ...toServer, bypass: () => '/playground.html' },
    },
  },
  test: {
    environment: 'jsdom',
    include: ['src/**/*.test.{ts,tsx}', 'packages/*/src/**/*.test.{ts,tsx}'],
    globalSetup: 'testing/global-setup.ts',
    setupFiles: 'testing/setup.ts',
    testTimeout: 20_000,
    restoreMocks: true,
  },
})
