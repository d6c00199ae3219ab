import { expect as playwrightExpect } from '@playwright/test';
import assert from 'node:assert/strict';

import { sessionCookie } from './http.js';
import { patience, Watch } from './wait.js';

export const expect = playwrightExpect.configure({ timeout: patience });

const sizes = { desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } };

/** contextOptions are Playwright's for a device of this size: 'desktop', 'phone' or { width, height }. */
export function contextOptions(size, options) {
  const touch = size === 'phone' && { hasTouch: true, isMobile: true };
  return { viewport: sizes[size] ?? size, colorScheme: 'light', reducedMotion: 'reduce', ...touch, ...options };
}

/** gone is what a page complains of while its server, or the line to it, is away: Chromium's word depends on the moment. */
export const gone = new RegExp([
  'WebSocket connection to .* failed', 'ERR_INTERNET_DISCONNECTED', 'ERR_SOCKET_NOT_CONNECTED', 'ERR_EMPTY_RESPONSE',
  'ERR_CONNECTION_(REFUSED|RESET|CLOSED)',
].join('|'));

/**
 * Device is a browser of somebody's own, with its cookies and tabs. Whatever a page of it complains of fails the test: what
 * it writes to the console as an error or a warning, errors that nobody caught, what its policy forbids, requests that
 * leave the server, and requests that fail. `expected` are the complaints that the test provokes, as patterns.
 */
export class Device {
  expected = [];
  complaints = [];
  requests = []; // of all tabs, in their order: { tab, method, path, operation }
  tabs = [];

  constructor(context, url, allowed) {
    this.context = context;
    this.url = url;
    this.origins = new Set([url, ...allowed].map((each) => new URL(each).host));
  }

  /** open makes the device's first tab, which is empty. */
  async open() {
    // Chromium tells of most violations on the console, too; this one tells of all.
    await this.context.addInitScript(() => {
      document.addEventListener('securitypolicyviolation', ({ effectiveDirective, blockedURI, sourceFile, lineNumber }) => {
        console.error(`policy: ${effectiveDirective} forbids ${blockedURI} at ${sourceFile}:${lineNumber}`);
      });
    });
    return this.tab();
  }

  /** page is the first tab's. */
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

  /** signIn makes the device a person's, without their having to type. */
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

/** Tab is one page of a device, and what it sent. */
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
      // The page itself has let go of it, as when it is left.
      if (errorText !== 'net::ERR_ABORTED') device.complain(`request failed: ${errorText} ${request.url()}`);
    });
    page.on('websocket', (socket) => this.#listen(socket));
  }

  /** operations are the names of the GraphQL operations sent so far, by HTTP. */
  get operations() {
    return this.requests.flatMap(({ operation }) => operation ?? []);
  }

  /** until waits for something to be true of what the tab sent and received. */
  until(isTrue, what) {
    return this.#watch.until(() => isTrue(this), () => `${what}; sent: ${this.operations}`);
  }

  /** connected waits until the page says that it is, in pusher-js's word. */
  connected() {
    return this.page.getByRole('status', { name: 'Live connection: connected' }).waitFor();
  }

  /** joined waits until the newest socket has joined this many channels, among them those of subscriptions. */
  joined(count) {
    const channels = () => (this.sockets.at(-1)?.received ?? []).filter((frame) => frame.includes('subscription_succeeded')).length;
    return this.until(() => channels() >= count, `${count} channels are joined`);
  }

  #note(request) {
    const url = new URL(request.url());
    if (!['http:', 'https:'].includes(url.protocol)) return; // data: and blob: go nowhere
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
