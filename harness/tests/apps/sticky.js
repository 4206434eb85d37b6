// Two nodes behind a balancer of our own that knows whom it has sent where by a cookie alone.
"use strict";
const http = require("http");
const net = require("net");
const { Server } = require("socket.io");
const { listen } = require("./lib");

const stats = { nodes: [0, 0], shown: 0, unknown: 0, upgrades: 0, upgradesShown: 0 };
const nodes = [0, 1].map((number) => {
  const server = http.createServer();
  const io = new Server(server);
  io.on("connection", (socket) => {
    stats.nodes[number] += 1;
    socket.on("echo", (text, done) => done(text));
  });
  server.listen(0, "127.0.0.1");
  return server;
});
let turn = 0;
const choose = (request) => {
  const shown = /(?:^|; )NODE=([01])/.exec(request.headers.cookie || "");
  if (shown) stats.shown += 1;
  return { number: shown ? Number(shown[1]) : turn++ % 2, known: Boolean(shown) };
};
const front = http.createServer((request, response) => {
  const { number } = choose(request);
  const { method, url, headers } = request;
  const onward = http.request({ port: nodes[number].address().port, method, path: url, headers, agent: false }, (answer) => {
    if (answer.statusCode === 400) stats.unknown += 1;
    const given = [].concat(answer.headers["set-cookie"] || [], `NODE=${number}; Path=/`);
    response.writeHead(answer.statusCode, { ...answer.headers, "set-cookie": given });
    answer.pipe(response);
  });
  onward.on("error", () => response.destroy());
  response.on("close", () => onward.destroy());
  request.pipe(onward);
});
front.on("upgrade", (request, socket) => {
  const { number, known } = choose(request);
  stats.upgrades += 1;
  if (known) stats.upgradesShown += 1;
  const onward = net.connect(nodes[number].address().port, "127.0.0.1", () => {
    const lines = [`GET ${request.url} HTTP/1.1`];
    for (let at = 0; at < request.rawHeaders.length; at += 2) lines.push(request.rawHeaders.slice(at, at + 2).join(": "));
    onward.write(lines.join("\r\n") + "\r\n\r\n");
    onward.pipe(socket).pipe(onward);
  });
  onward.on("error", () => socket.destroy());
  socket.on("error", () => onward.destroy());
});
listen(front, () => stats);
