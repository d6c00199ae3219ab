import Pusher from "pusher-js";

const url = process.env.LOREBRIDGE_URL ?? "http://127.0.0.1:8080";
const headers = { Authorization: `Bearer ${process.env.TOKEN}` };
const body = JSON.stringify({ query: "{ realtime { key cluster host port tls authEndpoint channel } }" });
const post = { method: "POST", headers: { ...headers, "Content-Type": "application/json" }, body };
const { data, errors } = await (await fetch(`${url}/graphql`, post)).json();
if (errors) throw new Error(errors[0].message);

const { key, cluster, host, port, tls, authEndpoint, channel } = data.realtime;
const options = { cluster: cluster ?? "", wsHost: host, wsPort: port, wssPort: port, forceTLS: tls };
options.channelAuthorization = { endpoint: url + authEndpoint, headers };
new Pusher(key, options).subscribe(channel).bind_global((event, data) => console.log(event, JSON.stringify(data)));
