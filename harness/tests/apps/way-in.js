// An echo behind a door. REQUIRE: auth, query or header says where a token must be shown; NAMESPACE is the one that lets
// anybody in who shows it, and with MAIN=closed the main one lets in nobody. SPELLING=bare: the path is /api/socket, and
// with a slash at its end it is redirected. TRANSPORTS and MAX are the server's, LABEL is in each answer (x-node). GET /stats says who was let in.
"use strict";
const http = require("http");
const { Server } = require("socket.io");
const { listen } = require("./lib");

const { REQUIRE, NAMESPACE = "/", MAIN, SPELLING, TRANSPORTS, MAX, LABEL } = process.env;
const stats = { in: 0, refused: 0, echoes: 0, peers: {} };
const inner = http.createServer();
const options = SPELLING ? { path: "/api/socket", addTrailingSlash: false } : {};
if (TRANSPORTS) options.transports = TRANSPORTS.split(",");
if (MAX) options.maxHttpBufferSize = Number(MAX);
const io = new Server(inner, options);
if (LABEL) {
  for (const event of ["headers", "initial_headers"]) io.engine.on(event, (headers) => (headers["x-node"] = LABEL));
}
const check = (socket, next) => {
  const { auth, query, headers } = socket.handshake;
  const bearer = (headers.authorization || "").replace(/^(Bearer|Basic) /, "");
  const token = { auth: auth.token, query: query.token, header: bearer }[REQUIRE];
  if (!REQUIRE || token) return next();
  stats.refused += 1;
  next(new Error(`no token in ${REQUIRE}`));
};
if (MAIN === "closed") io.use((_socket, next) => next(new Error("nobody comes in here")));
const open = io.of(NAMESPACE);
open.use(check);
open.on("connection", (socket) => {
  stats.in += 1;
  const peer = socket.handshake.address;
  stats.peers[peer] = (stats.peers[peer] || 0) + 1;
  socket.on("echo", (text, done) => {
    stats.echoes += 1;
    done(text);
  });
});
const server = http.createServer((request, response) => {
  const [path, query] = request.url.split("?");
  if (SPELLING && path !== "/" && path.endsWith("/")) {
    response.writeHead(308, { location: `${path.slice(0, -1)}?${query || ""}` });
    return response.end();
  }
  if (!path.startsWith("/socket.io/") && path !== "/api/socket") return response.writeHead(404).end("nothing here");
  inner.emit("request", request, response);
});
server.on("upgrade", (request, socket, head) => inner.emit("upgrade", request, socket, head));
listen(server, () => stats);
