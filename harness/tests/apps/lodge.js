// The lodge of a server elsewhere (UPSTREAM, a port): who asks for /api/live/ with ?pass=1 and the header X-Pass: 1 is led on
// to /socket.io/ there, and everybody else gets a 403. GET /stats says how many were led on and how many were not.
"use strict";
const http = require("http");
const net = require("net");
const { listen } = require("./lib");

const upstream = Number(process.env.UPSTREAM);
const stats = { led: 0, refused: 0 };
/// The upstream's path; nothing for somebody who is not to go there.
const way = (request) => {
  const { pathname, searchParams, search } = new URL(request.url, "http://lodge");
  const known = pathname === "/api/live/" && searchParams.get("pass") === "1" && request.headers["x-pass"] === "1";
  stats[known ? "led" : "refused"] += 1;
  return known && `/socket.io/${search}`;
};
const server = http.createServer((request, response) => {
  const path = way(request);
  if (!path) return response.writeHead(403).end("not without a pass");
  const { method, headers } = request;
  const on = http.request({ port: upstream, host: "127.0.0.1", path, method, headers }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    answer.pipe(response);
  });
  on.on("error", () => response.destroy());
  response.on("close", () => on.destroy());
  request.pipe(on);
});
server.on("upgrade", (request, socket, head) => {
  const path = way(request);
  if (!path) return socket.end("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
  const on = net.connect(upstream, "127.0.0.1", () => {
    const headers = request.rawHeaders.reduce((all, text, at) => all + text + (at % 2 ? "\r\n" : ": "), "");
    on.write(`${request.method} ${path} HTTP/1.1\r\n${headers}\r\n`);
    on.write(head);
    on.pipe(socket).pipe(on);
  });
  for (const end of [on, socket]) end.on("error", () => (on.destroy(), socket.destroy()));
});
listen(server, () => stats);
