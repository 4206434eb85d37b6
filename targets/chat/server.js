// A chat with the events of Socket.IO's own chat example: `add user` and `login`, `new message`, `typing` and
// `stop typing`, `user joined` and `user left`. For `chat-example.toml`, which drives that example as it is; `page.html` is for
// people. With `SIO_ADAPTER=redis://host:port` it is one node of several.
"use strict";

const fs = require("fs");
const path = require("path");
const { Server } = require("socket.io");

const { PORT = "3000", SIO_ADAPTER } = process.env;
const client = path.join(path.dirname(require.resolve("socket.io/package.json")), "client-dist/socket.io.js");
const FILES = {
  "/": { file: path.join(__dirname, "page.html"), type: "text/html; charset=utf-8" },
  "/client.js": { file: client, type: "text/javascript; charset=utf-8" },
};

const http = require("http").createServer((request, response) => {
  const found = FILES[request.url];
  if (!found) return response.writeHead(404).end();
  response.writeHead(200, { "content-type": found.type });
  fs.createReadStream(found.file).pipe(response);
});

// What joins the nodes; nothing, if there is one.
async function joined() {
  if (!SIO_ADAPTER) return undefined;
  const { createClient } = require("redis");
  const pub = createClient({ url: SIO_ADAPTER });
  const sub = pub.duplicate();
  for (const client of [pub, sub]) client.on("error", (error) => console.error(`broker: ${error.message}`));
  await Promise.all([pub.connect(), sub.connect()]);
  const adapter = require("@socket.io/redis-adapter").createAdapter(pub, sub);
  return { adapter, ready: () => sub.ping() };
}

function chat(io) {
  // Those of this node, as in the example.
  let people = 0;

  io.on("connection", (socket) => {
    let name;
    const tellOthers = (event, more) => socket.broadcast.emit(event, { username: name, ...more });
    socket.on("new message", (message) => tellOthers("new message", { message }));
    socket.on("typing", () => tellOthers("typing"));
    socket.on("stop typing", () => tellOthers("stop typing"));
    socket.on("add user", (username) => {
      if (name !== undefined) return;
      name = username;
      people += 1;
      socket.emit("login", { numUsers: people });
      tellOthers("user joined", { numUsers: people });
    });
    socket.on("disconnect", () => {
      if (name === undefined) return;
      people -= 1;
      tellOthers("user left", { numUsers: people });
    });
  });
}

async function main() {
  const cluster = await joined();
  const io = new Server(http, cluster && { adapter: cluster.adapter });
  chat(io);
  await cluster?.ready();
  http.listen(Number(PORT), "127.0.0.1", () => console.log(`LISTENING ${http.address().port}`));
  process.on("SIGTERM", () => {
    // A broker that is away must not keep the process.
    if (cluster) setTimeout(() => process.exit(0), 1000);
    io.close(() => process.exit(0));
  });
}

main();
