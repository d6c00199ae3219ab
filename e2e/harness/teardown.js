const stacks = new WeakMap();

/** onEnd calls close when the test ends: the last one first, and all of them even if one fails. */
export function onEnd(t, close) {
  if (!stacks.has(t)) {
    stacks.set(t, []);
    t.after(() => closeAll(stacks.get(t)));
  }
  stacks.get(t).push(close);
}

async function closeAll(stack) {
  const errors = [];
  while (stack.length > 0) {
    try {
      await stack.pop()();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 1) throw new AggregateError(errors, errors.map((error) => error.message).join('\n'));
  if (errors.length === 1) throw errors[0];
}
