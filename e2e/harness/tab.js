import { expect as playwrightExpect } from '@playwright/test';
import assert from 'node:assert/strict';

import { sessionCookie } from './http.js';
import { patience, Watch } from './wait.js';

export const expect = playwrightExpect.configure({ timeout: patience });

const sizes = { desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } };

/** contextOptions returns Playwright's options for a device of this size: 'desktop', 'phone' or { width, height }. */
export function contextOptions(size, options) {
  const touch = size === 'phone' && { hasTouch: true, isMobile: true };
  return { viewport: sizes[size] ?? size, colorScheme: 'light', reducedMotion: 'reduce', ...touch, ...options };
}

/**
 * gone matches the complaints of a page while its server, or the line to it, is away. Chromium's message depends on
 * the moment.
 */
export const gone = new RegExp([
  'WebSocket connection to .* failed', 'ERR_INTERNET_DISCONNECTED', 'ERR_SOCKET_NOT_CONNECTED', 'ERR_EMPTY_RESPONSE',
  'ERR_CONNECTION_(REFUSED|RESET|CLOSED)',
].join('|'));

/**
 * Device is a person's browser with its cookies and tabs. Every complaint of a page fails the test: errors and
 * warnings on the console, uncaught errors, violations of its policy, requests that leave the server, and failed
 * requests. `expected` are patterns of the complaints that the test provokes.
 */
export class Device {
  expected = [];
  complaints = [];
  requests = []; // of all tabs, in order: { tab, method, path, operation }
  tabs = [];

  constructor(context, url, allowed) {
    this.context = context;
    this.url = url;
    this.origins = new Set([url, ...allowed].map((each) => new URL(each).host));
  }

  /** open opens the device's first tab, which is empty. */
  async open() {
    // Chromium reports most violations on the console, but this event reports all.
    await this.context.addInitScript(() => {
      document.addEventListener('securitypolicyviolation', ({ effectiveDirective, blockedURI, sourceFile, lineNumber }) => {
        console.error(`policy: ${effectiveDirective} forbids ${blockedURI} at ${sourceFile}:${lineNumber}`);
      });
    });
    return this.tab();
  }

  /** page returns the first tab's page. */
  get page() {
    return this.tabs[0].page;
  }

  /** tab opens another tab at a path. */
  async tab(path) {
    const tab = new Tab(this, await this.context.newPage());
    this.tabs.push(tab);
    if (path !== undefined) await tab.page.goto(this.url + path);
    return tab;
  }

  complain(what) {
    this.complaints.push(what);
  }

  /** signIn signs the device in without its form. */
  async signIn({ token }) {
    const name = await sessionCookie(this);
    return this.context.addCookies([{ name, value: token, url: this.url, httpOnly: true, sameSite: 'Lax' }]);
  }

  async close() {
    await this.context.close();
    const found = this.complaints.filter((what) => !this.expected.some((pattern) => pattern.test(what)));
    assert.deepEqual(found, [], 'the page complains');
  }
}

/** Tab is one page of a device, with its requests. */
export class Tab {
  requests = []; // { method, path, operation }
  sockets = []; // { url, sent, received, closed }
  #watch = new Watch();

  constructor(device, page) {
    Object.assign(this, { device, page });
    page.setDefaultTimeout(patience);
    page.setDefaultNavigationTimeout(patience);
    page.on('console', (message) => {
      if (!['error', 'warning'].includes(message.type())) return;
      device.complain(`console ${message.type()}: ${message.text()} (${message.location().url})`);
    });
    page.on('pageerror', (error) => device.complain(`uncaught: ${error.stack ?? error}`));
    page.on('request', (request) => this.#note(request));
    page.on('response', (response) => {
      if (response.status() >= 400) device.complain(`response: ${response.status()} ${response.url()}`);
    });
    page.on('requestfailed', (request) => {
      const { errorText } = request.failure();
      // The page itself has canceled it, for example when it is left.
      if (errorText !== 'net::ERR_ABORTED') device.complain(`request failed: ${errorText} ${request.url()}`);
    });
    page.on('websocket', (socket) => this.#listen(socket));
  }

  /** operations are the names of the GraphQL operations sent so far, by HTTP. */
  get operations() {
    return this.requests.flatMap(({ operation }) => operation ?? []);
  }

  /** until waits until isTrue returns true for what the tab sent and received. */
  until(isTrue, what) {
    return this.#watch.until(() => isTrue(this), () => `${what}; sent: ${this.operations}`);
  }

  /** connected waits until the page shows pusher-js's state connected. */
  connected() {
    return this.page.getByRole('status', { name: 'Live connection: connected' }).waitFor();
  }

  /** joined waits until the newest socket has joined this many channels, including those of subscriptions. */
  joined(count) {
    const channels = () => (this.sockets.at(-1)?.received ?? []).filter((frame) => frame.includes('subscription_succeeded')).length;
    return this.until(() => channels() >= count, `${count} channels are joined`);
  }

  #note(request) {
    const url = new URL(request.url());
    if (!['http:', 'https:'].includes(url.protocol)) return; // data: and blob: send nothing
    this.#checkOrigin(url);
    const path = url.pathname + url.search;
    const note = { method: request.method(), path, operation: path === '/graphql' ? operationOf(request) : undefined };
    this.requests.push(note);
    this.device.requests.push({ tab: this, ...note });
    this.#watch.changed();
  }

  #checkOrigin(url) {
    if (!this.device.origins.has(url.host)) this.device.complain(`it leaves the server: ${url}`);
  }

  #listen(socket) {
    const url = new URL(socket.url());
    this.#checkOrigin(url);
    const note = { url: socket.url(), sent: [], received: [], closed: false };
    this.sockets.push(note);
    socket.on('framesent', ({ payload }) => {
      note.sent.push(payload);
      this.#watch.changed();
    });
    socket.on('framereceived', ({ payload }) => {
      note.received.push(payload);
      this.#watch.changed();
    });
    socket.on('close', () => {
      note.closed = true;
      this.#watch.changed();
    });
  }
}

function operationOf(request) {
  try {
    const { operationName, query } = request.postDataJSON();
    return operationName ?? query;
  } catch {
    return '(no GraphQL)';
  }
}
