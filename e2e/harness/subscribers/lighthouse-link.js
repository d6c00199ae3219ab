import { ApolloLink, Observable } from '@apollo/client';

/**
 * LighthouseLink does the same as the link in Lighthouse's documentation, step by step: section "Apollo for Pusher" of
 * https://lighthouse-php.com/6/subscriptions/client-implementations.html. That one is no package, so
 * applications copied it. Its weaknesses are kept here, because the server must work with them:
 *
 * - it replaces `subscribe` of the observable that it returns, so Apollo cannot unsubscribe;
 * - it reads `lighthouse_subscriptions.channel` of any answer with extensions, even if it is missing;
 * - it ignores `data` of the answer with a channel, and a failure of the request;
 * - at the end it completes first, and then hands out the last result.
 */
export class LighthouseLink extends ApolloLink {
  constructor({ pusher }) {
    super();
    this.pusher = pusher;
  }

  request(operation, forward) {
    const observable = new Observable(() => {});
    const original = observable.subscribe.bind(observable);
    observable.subscribe = (...handlers) => {
      original(...handlers);
      const observer = observerOf(...handlers);
      let channel;
      forward(operation).subscribe({
        next: (answer) => {
          channel = answer?.extensions?.lighthouse_subscriptions.channel;
          if (channel) {
            this.#listen(channel, observer);
          } else {
            observer.next(answer);
            observer.complete();
          }
        },
      });
      return { closed: false, unsubscribe: () => channel && this.pusher.unsubscribe(channel) };
    };
    return observable;
  }

  #listen(channel, observer) {
    this.pusher.subscribe(channel).bind('lighthouse-subscription', ({ more, result }) => {
      if (!more) {
        this.pusher.unsubscribe(channel);
        observer.complete();
      }
      if (result) observer.next(result);
    });
  }
}

/** observerOf returns an observer for the arguments of subscribe: an observer, or up to three functions. */
function observerOf(first, onError, onComplete) {
  const given = typeof first === 'function' ? { next: first, error: onError, complete: onComplete } : first;
  return {
    next: (value) => given.next?.(value),
    error: (error) => given.error?.(error),
    complete: () => given.complete?.(),
  };
}

/**
 * LighthouseLinkV4 does the same as the link in the documentation of Lighthouse 4. It finds the channel by the
 * operation's name, and leaves a channel only at the end.
 */
export class LighthouseLinkV4 extends ApolloLink {
  constructor({ pusher }) {
    super();
    this.pusher = pusher;
  }

  request(operation, forward) {
    return new Observable((observer) => {
      forward(operation).subscribe({
        next: (answer) => {
          const channel = answer.extensions?.lighthouse_subscriptions?.channels?.[operation.operationName];
          if (channel) {
            this.#listen(channel, observer);
          } else {
            observer.next(answer);
            observer.complete();
          }
        },
      });
    });
  }

  #listen(channel, observer) {
    this.pusher.subscribe(channel).bind('lighthouse-subscription', ({ more, result }) => {
      if (!more) {
        this.pusher.unsubscribe(channel);
        observer.complete();
      }
      if (result) observer.next(result);
    });
  }
}
