import { setImmediate as turn } from 'node:timers/promises';

// Tests wait for what happens, with a deadline, and never for time to pass.

// Long enough for pusher-js to come back the slow way (15 s) on a machine that does something else too.
export const patience = 30_000;

/** within resolves as promise does, or fails once the time is over, saying what did not happen. */
export function within(promise, what, ms = patience) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`not within ${ms} ms: ${typeof what === 'function' ? what() : what}`));
    }, ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Watch lets a test wait until something is true of a thing that calls changed(). */
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

/** eventually asks again until ask returns something true, and returns it. It is for what tells nobody of a change. */
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

/** soon asks at every turn of the event loop. It is for what changes in this process and tells nobody. */
export function soon(isTrue, what) {
  return eventually(async () => {
    await turn();
    return isTrue();
  }, what);
}
