import { setImmediate as turn } from 'node:timers/promises';

// Tests wait for events, with a deadline, and never for time to pass.

// Long enough for the slow reconnect of pusher-js (15 s) on a busy machine.
export const patience = 30_000;

/** within resolves like promise, or fails after ms with what as the reason. */
export function within(promise, what, ms = patience) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`not within ${ms} ms: ${typeof what === 'function' ? what() : what}`));
    }, ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Watch lets a test wait for a condition of an object that calls changed(). */
export class Watch {
  #waiting = new Set();

  changed() {
    for (const check of [...this.#waiting]) check();
  }

  until(isTrue, what, ms) {
    let check;
    const met = new Promise((resolve) => {
      check = () => isTrue() && resolve();
      this.#waiting.add(check);
      check();
    });
    return within(met, what, ms).finally(() => this.#waiting.delete(check));
  }
}

/**
 * eventually calls ask again until it returns something true, and returns that. It is for changes without a
 * notification.
 */
export async function eventually(ask, what, ms = patience) {
  let over = false;
  const asking = async () => {
    while (!over) {
      const answer = await ask();
      if (answer) return answer;
    }
    return undefined;
  };
  return within(asking(), what, ms).finally(() => { over = true; });
}

/** soon checks at every turn of the event loop. It is for changes in this process without a notification. */
export function soon(isTrue, what) {
  return eventually(async () => {
    await turn();
    return isTrue();
  }, what);
}
