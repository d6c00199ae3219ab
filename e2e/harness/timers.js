// Some timers of pusher-js outlive disconnect(): 30 s after a server's close with 4009, for ever where it was about to
// connect again. None of them must keep this process; while a test waits, the servers that it runs do.
const { setTimeout } = globalThis;
globalThis.setTimeout = (...args) => setTimeout(...args).unref();
