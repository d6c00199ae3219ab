import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

/**
 * binary returns the path of a program under test: that in the variable, or bin/NAME, which it builds if it is
 * missing.
 */
function binary(name, variable, source) {
  if (process.env[variable]) return path.resolve(process.env[variable]);
  const file = path.join(root, 'bin', name);
  if (!existsSync(file)) {
    console.error(`${variable} is not set and bin/${name} is missing: building it`);
    execFileSync('go', ['build', '-o', file, source], { cwd: root, stdio: 'inherit' });
  }
  return file;
}

export const lorebridge = () => binary('lorebridge', 'LOREBRIDGE_BIN', '.');
export const pusherserver = () => binary('pusherserver', 'PUSHERSERVER_BIN', './pusherserver/cmd/pusherserver');
export const chat = () => binary('chat', 'CHAT_BIN', './examples/chat');
