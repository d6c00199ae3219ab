import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

import { Watch, within } from './wait.js';

const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

// Output that a server must never write, whatever a client does.
const complaint = /panic|level=ERROR|DATA RACE|fatal error/;

/**
 * Program is a running process of a binary under test. It gets only its own environment variables and those of the
 * machine.
 */
export class Program {
  lines = []; // of standard output
  stderr = '';
  #watch = new Watch();

  constructor(binary, { args = [], cwd, env = {} }) {
    const { PATH, HOME, GORACE = '' } = process.env;
    this.child = spawn(binary, args, {
      // With its default the race detector delays each exit by a second, and browsers would reconnect to nobody
      // meanwhile.
      cwd, env: { PATH, HOME, GORACE: `${GORACE} atexit_sleep_ms=0`, ...env }, stdio: ['ignore', 'pipe', 'pipe'],
    });
    running.add(this.child);
    this.child.stderr.setEncoding('utf8').on('data', (text) => { this.stderr += text; });
    createInterface({ input: this.child.stdout }).on('line', (line) => {
      this.lines.push(line);
      this.#watch.changed();
    });
    this.exited = new Promise((resolve, reject) => {
      this.child.once('error', reject);
      this.child.once('close', (code, signal) => {
        running.delete(this.child);
        resolve({ code, signal });
      });
    });
  }

  /** printed waits for the first n lines. */
  printed(n) {
    return this.#watch.until(() => this.lines.length >= n, () => `${n} lines; there are ${this.lines}\n${this.stderr}`);
  }

  /** announced returns the pattern's match in the first line, which a server prints when it listens. */
  async announced(pattern) {
    const died = this.exited.then(({ code, signal }) => {
      throw new Error(`ended with ${code ?? signal} before it listened:\n${this.stderr}`);
    });
    died.catch(() => {}); // it ends at some time
    await Promise.race([this.printed(1), died]);
    assert.match(this.lines[0], pattern);
    return pattern.exec(this.lines[0])[1];
  }

  /** stop asks the program to end, and checks that it does so without complaints, except the expected ones. */
  async stop(expected = []) {
    this.child.kill('SIGTERM');
    const exit = await within(this.exited, () => `the program ends after SIGTERM\n${this.stderr}`);
    assert.deepEqual(exit, { code: 0, signal: null }, this.stderr);
    this.assertNoComplaints(expected);
  }

  /** kill is kill -9. */
  async kill(expected = []) {
    this.child.kill('SIGKILL');
    assert.equal((await within(this.exited, 'the program is dead')).signal, 'SIGKILL', this.stderr);
    this.assertNoComplaints(expected);
  }

  get ended() {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  assertNoComplaints(expected = []) {
    const found = this.stderr.split('\n').filter((line) => complaint.test(line) && !expected.some((e) => e.test(line)));
    assert.deepEqual(found, [], `the program wrote:\n${this.stderr}`);
  }
}
