import { ApolloLink, Observable } from '@apollo/client';

/**
 * LighthouseLink does, step by step, what the link in Lighthouse's documentation does: section "Apollo for Pusher" of
 * https://lighthouse-php.com/6/subscriptions/client-implementations.html. That one is no package: applications copied
 * it. So its weaknesses are kept here, for the server has to live with them:
 *
 * - it replaces `subscribe` of the observable that it returns, and with it what Apollo would call to unsubscribe;
 * - it reads `lighthouse_subscriptions.channel` of any answer that has extensions, whether or not it is there;
 * - it ignores `data` of the answer that has a channel, and the failure of the request;
 * - at the end it completes first, and only then hands out a result that came along.
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

/** observerOf makes one of what subscribe may be called with: an observer, or up to three functions. */
function observerOf(first, onError, onComplete) {
  const given = typeof first === 'function' ? { next: first, error: onError, complete: onComplete } : first;
  return {
    next: (value) => given.next?.(value),
    error: (error) => given.error?.(error),
    complete: () => given.complete?.(),
  };
}

/**
 * LighthouseLinkV4 does what the link in the documentation of Lighthouse 4 did. It looks the channel up by the operation's
 * name, and never leaves a channel but at the end.
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
