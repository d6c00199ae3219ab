// Some timers of pusher-js outlive disconnect(): 30 s after a server's close with 4009, and without limit if it was
// about to connect again. They must not keep this process alive. While a test waits, its servers keep it alive.
const { setTimeout } = globalThis;
globalThis.setTimeout = (...args) => setTimeout(...args).unref();
