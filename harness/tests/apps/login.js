// A login by form: a token in the page, and cookies of several kinds, of which one opens the namespace /app. Counts the
// cookies that should not have been shown. BARE=1: the main namespace is closed as well.
"use strict";
const http = require("http");
const { randomUUID } = require("crypto");
const { Server } = require("socket.io");
const { listen } = require("./lib");

const stats = { logins: 0, joined: 0, refused: 0, odd: {} };
const forms = new Set();
const sessions = new Set();
const look = (cookie = "") => {
  for (const name of ["admin", "ended", "foreign"]) {
    if (cookie.split("; ").some((pair) => pair.startsWith(`${name}=`))) stats.odd[name] = (stats.odd[name] || 0) + 1;
  }
};
const server = http.createServer((request, response) => {
  look(request.headers.cookie);
  if (request.url !== "/login") return response.writeHead(404).end("nothing here");
  if (request.method === "GET") {
    const token = randomUUID();
    forms.add(token);
    response.setHeader("content-type", "text/html");
    return response.end(`<form method="post"><input type="hidden" name="_csrf" value="${token}"><input name="user"></form>`);
  }
  let body = "";
  request.on("data", (part) => (body += part));
  request.on("end", () => {
    if (!forms.delete(new URLSearchParams(body).get("_csrf"))) return response.writeHead(403).end("no such form");
    const sid = randomUUID();
    sessions.add(sid);
    stats.logins += 1;
    const cookies = ["theme=dark; Path=/", "admin=1; Path=/admin", "ended=1; Path=/; Max-Age=0", "foreign=1; Domain=other.example"];
    response.writeHead(302, { location: "/home", "set-cookie": [`sid=${sid}; Path=/; HttpOnly; Max-Age=3600`, ...cookies] });
    response.end();
  });
});
const io = new Server(server);
const check = (socket, next) => {
  const cookie = socket.handshake.headers.cookie || "";
  look(cookie);
  const sid = /(?:^|; )sid=([^;]*)/.exec(cookie)?.[1];
  if (sessions.has(sid)) return next();
  stats.refused += 1;
  next(new Error("not logged in"));
};
if (process.env.BARE) io.use(check);
const app = io.of("/app");
app.use(check);
app.on("connection", (socket) => {
  stats.joined += 1;
  socket.on("hello", (name, done) => done(`hello ${name}`));
});
listen(server, () => stats);
