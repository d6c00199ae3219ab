// The page: rooms, the messages of one of them, and a form. It subscribes by POST, and the results come over Pusher.

/** Pusher is as much of pusher-js as one channel needs. An application takes pusher-js itself. */
class Pusher {
  #socket;
  #socketId;
  #channel; // { name, onUpdate, onLost }

  /** `key` returns the app's key, and onState is called with "connecting" and "connected". */
  constructor(key, onState) {
    this.#connect(key, onState);
  }

  async #connect(key, onState) {
    const again = () => {
      this.#socketId = undefined;
      onState('connecting');
      setTimeout(() => this.#connect(key, onState), 1000);
    };
    let url;
    try {
      url = new URL(`/app/${await key()}?protocol=7&client=chat&version=1.0.0`, location.href);
    } catch {
      again();
      return;
    }
    url.protocol = url.protocol.replace('http', 'ws');
    this.#socket = new WebSocket(url);
    this.#socket.onclose = again;
    this.#socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      if (message.event === 'pusher:ping') this.#write('pusher:pong', {});
      if (message.event === 'pusher:connection_established') {
        this.#socketId = JSON.parse(message.data).socket_id;
        onState('connected');
        this.#join();
      }
      if (message.event === 'update' && message.channel === this.#channel?.name) this.#channel.onUpdate(JSON.parse(message.data));
    };
  }

  /** listen has onUpdate called for what comes over a channel, in place of the one before; onLost, if it is gone. */
  listen(name, onUpdate, onLost) {
    this.leave();
    this.#channel = { name, onUpdate, onLost };
    if (this.#socketId) this.#join();
  }

  leave() {
    if (this.#channel && this.#socketId) this.#write('pusher:unsubscribe', { channel: this.#channel.name });
    this.#channel = undefined;
  }

  async #join() {
    const [channel, id] = [this.#channel, this.#socketId];
    if (!channel) return;
    const form = new URLSearchParams({ socket_id: id, channel_name: channel.name });
    const answer = await fetch('/pusher/auth', { method: 'POST', body: form }).catch(() => null); // the socket will notice
    if (channel !== this.#channel || id !== this.#socketId) return;
    if (answer?.status === 403) channel.onLost();
    if (answer?.ok) this.#write('pusher:subscribe', { channel: channel.name, ...await answer.json() });
  }

  #write(event, data) {
    this.#socket.send(JSON.stringify({ event, data }));
  }
}

const $ = (id) => document.getElementById(id);

/** ask sends an operation, and returns its data and the channel of its results. */
async function ask(query, variables) {
  const answer = await fetch('/graphql', {
    method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await answer.json();
  if (errors) throw new Error(errors[0].message);
  return { data, channel: answer.headers.get('X-Subscription-ID') };
}

const fields = 'id author text sentAt';
const pusher = new Pusher(async () => (await ask('{ pusherKey }')).data.pusherKey, (state) => {
  $('status').textContent = $('status').dataset.state = state;
});
let room;

/** enter shows a room: it subscribes first and reads what is there then, so that no message falls between. */
async function enter(name) {
  room = name;
  $('title').textContent = name;
  $('send').hidden = $('close').hidden = false;
  $('problem').textContent = '';
  $('messages').replaceChildren();
  const { channel } = await ask(`subscription ($room: String!) { messageAdded(room: $room) { ${fields} } }`, { room: name });
  if (room !== name) return;
  pusher.listen(channel, (update) => take(name, update), () => attempt(() => enter(name)));
  await read(name);
}

/** take shows a result of the subscription. One with an error stands for messages that were missed. */
function take(name, { result, more }) {
  if (room !== name) return; // on its way when another room was entered
  if (result?.data) show(result.data.messageAdded);
  if (result?.errors) attempt(() => read(name));
  if (more) return;
  pusher.leave();
  $('send').hidden = $('close').hidden = true;
  $('problem').textContent = 'This room was closed.';
  window.onfocus = () => attempt(listRooms); // others may have opened some
attempt(listRooms);
}

async function read(name) {
  const { data } = await ask(`query ($room: String!) { messages(room: $room) { ${fields} } }`, { room: name });
  if (room === name) data.messages.forEach(show);
  await listRooms();
}

/** show adds a message in its place, unless it is there. */
function show({ id, author, text, sentAt }) {
  const list = $('messages');
  const items = [...list.children];
  if (items.some((item) => item.dataset.id === id)) return;
  const item = document.createElement('li');
  item.dataset.id = id;
  const [who, when, what] = ['b', 'time', 'span'].map((name) => item.appendChild(document.createElement(name)));
  who.textContent = author;
  when.dateTime = sentAt;
  when.textContent = new Date(sentAt).toLocaleTimeString();
  what.textContent = text;
  list.insertBefore(item, items.find((other) => Number(other.dataset.id) > Number(id)) ?? null);
  $('log').scrollTop = $('log').scrollHeight;
}

async function listRooms() {
  const { data } = await ask('{ rooms }');
  $('rooms').replaceChildren(...data.rooms.map((name) => {
    const [item, button] = ['li', 'button'].map((each) => document.createElement(each));
    button.textContent = name;
    if (name === room) button.ariaCurrent = 'true';
    button.onclick = () => attempt(() => enter(name));
    item.append(button);
    return item;
  }));
}

/** attempt shows what goes wrong. */
async function attempt(what) {
  try {
    await what();
  } catch (error) {
    $('problem').textContent = error.message;
  }
}

$('enter').onsubmit = (event) => {
  event.preventDefault();
  attempt(() => enter($('room').value.trim()));
};

$('send').onsubmit = (event) => {
  event.preventDefault();
  attempt(async () => {
    const mutation = `mutation ($room: String!, $author: String!, $text: String!) {
      send(room: $room, author: $author, text: $text) { ${fields} }
    }`;
    await ask(mutation, { room, author: $('author').value, text: $('text').value });
    $('text').value = '';
    $('problem').textContent = '';
    await listRooms();
  });
};

$('close').onclick = () => attempt(() => ask('mutation ($room: String!) { close(room: $room) }', { room }));

window.onfocus = () => attempt(listRooms); // others may have opened some
attempt(listRooms);
