import * as binaries from './binaries.js';
import { graphql } from './http.js';
import { Program } from './program.js';
import { emptyFolder } from './server.js';
import { openSubscriber } from './subscribers/index.js';
import { onEnd } from './teardown.js';

/**
 * Chat is the application of examples/chat in a folder of its own. It keeps only the credentials of its Pusher: started
 * again, at the same address, it has no rooms.
 */
class Chat {
  constructor(folder) {
    this.folder = folder;
  }

  async start() {
    this.program = new Program(binaries.chat(), {
      cwd: this.folder, env: { LISTEN_ADDR: this.address ?? '127.0.0.1:0' },
    });
    this.url = await this.program.announced(/^The chat is at (http:\/\/\S+)$/);
    this.address = new URL(this.url).host;
  }

  stop() {
    return this.program.stop();
  }

  /** ask runs an operation, and returns its data. */
  async ask(query, variables) {
    const { data, errors } = (await graphql(this, query, { variables })).json();
    if (errors) throw new Error(JSON.stringify(errors));
    return data;
  }

  send(room, text) {
    const mutation = 'mutation ($room: String!, $text: String!) { send(room: $room, author: "Ada", text: $text) { id } }';
    return this.ask(mutation, { room, text });
  }

  close(room) {
    return this.ask('mutation ($room: String!) { close(room: $room) }', { room });
  }
}

/** startChat runs the chat until the test ends, and then checks that it ends well. */
export async function startChat(t) {
  const chat = new Chat(await emptyFolder(t));
  onEnd(t, () => chat.program.ended || chat.stop());
  await chat.start();
  return chat;
}

/** Guest is somebody at a chat, where nobody signs in, as far as the clients for subscriptions ask for a person. */
class Guest {
  headers = {};

  constructor(server) {
    this.server = server;
  }

  /** query returns what these clients need to connect. */
  async query() {
    const { pusherKey } = await this.server.ask('{ pusherKey }');
    const { hostname, port } = new URL(this.server.url);
    return { key: pusherKey, host: hostname, port: Number(port), tls: false };
  }
}

/** openGuest makes a client of somebody at a chat, until the test ends. */
export const openGuest = (t, Client, chat) => openSubscriber(t, Client, new Guest(chat));
