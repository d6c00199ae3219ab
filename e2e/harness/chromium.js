import { chromium } from '@playwright/test';
import { execFileSync } from 'node:child_process';

// No look-ups or downloads by Chromium itself. Only names of this machine resolve, so a page that needs the internet
// fails.
const args = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
];

/** launchChromium starts the system's browser: CHROMIUM, or chromium on the PATH. It never downloads one. */
export function launchChromium() {
  const name = process.env.CHROMIUM || 'chromium';
  const executablePath = execFileSync('sh', ['-c', 'command -v "$0"', name]).toString().trim();
  return chromium.launch({ executablePath, args });
}
