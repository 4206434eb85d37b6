// Knows whom it lets in, and how: REQUIRE is what must hold a token that it has given out (auth, query, header, cookie), or
// nothing; that is asked under NAMESPACE, or `/`. Tokens come from a form (with a CSRF token that is good once) as a session cookie, or from POST /token as JSON.
"use strict";
const { randomUUID } = require("crypto");
const server = require("http").createServer();
const { Server } = require("socket.io");
const { listen } = require("./lib");

const sessions = new Map(); // token -> name
const forms = new Set(); // CSRF tokens that have not come back
const seen = { auth: {}, query: {}, header: {}, cookie: {} }; // value -> how often
const stats = { in: 0, refused: 0, logins: 0, wrong: 0, joins: [], said: [], auths: [] };

const count = (where, value) => value !== undefined && value !== "" && (where[value] = (where[value] || 0) + 1);
const cookie = (header, name) => (header || "").split("; ").map((pair) => pair.split("=")).find(([key]) => key === name)?.[1];
const session = (name) => {
  const token = randomUUID();
  sessions.set(token, name);
  stats.logins++;
  return token;
};

server.on("request", (request, response) => {
  const { pathname } = new URL(request.url, "http://x");
  if (pathname.startsWith("/socket.io/")) return;
  let body = "";
  request.on("data", (piece) => (body += piece));
  request.on("end", () => {
    const answer = (status, headers, text) => response.writeHead(status, headers).end(text);
    if (pathname === "/login" && request.method === "GET") {
      const csrf = randomUUID();
      forms.add(csrf);
      return answer(200, { "content-type": "text/html" }, `<form><input name="csrf" value="${csrf}"><input name="name"></form>`);
    }
    if (pathname === "/login") {
      const form = new URLSearchParams(body);
      if (!forms.delete(form.get("csrf")) || form.get("password") !== `pw-${form.get("name")}`) {
        stats.wrong++;
        return answer(403, {}, "wrong password or an old form");
      }
      return answer(302, { "set-cookie": `session=${session(form.get("name"))}; Path=/; HttpOnly`, location: "/" }, "");
    }
    if (pathname === "/token") {
      const { name, password } = JSON.parse(body);
      if (password !== `pw-${name}`) {
        stats.wrong++;
        return answer(401, { "content-type": "application/json" }, '{"error":"wrong password"}');
      }
      return answer(200, { "content-type": "application/json" }, JSON.stringify({ user: { token: session(name) } }));
    }
    answer(404, {}, "");
  });
});

const io = new Server(server);
const gate = io.of(process.env.NAMESPACE || "/");
gate.use((socket, next) => {
  const { auth, query, headers } = socket.handshake;
  const shown = {
    auth: auth.token,
    query: query.token,
    header: (headers.authorization || "").replace("Bearer ", "") || undefined,
    cookie: cookie(headers.cookie, "session"),
  };
  for (const [place, token] of Object.entries(shown)) count(seen[place], token);
  stats.auths.push(auth);
  const need = process.env.REQUIRE;
  if (need && !sessions.has(shown[need])) {
    stats.refused++;
    return next(new Error(`no session in ${need}`));
  }
  stats.in++;
  socket.data.name = sessions.get(shown[need]);
  next();
});
gate.on("connection", (socket) => {
  socket.on("join", (room, ...more) => {
    const done = more.pop();
    stats.joins.push([room, ...more]);
    socket.join(room);
    done({ ok: true });
  });
  socket.on("say", (room, ...rest) => {
    const done = rest.pop();
    stats.said.push(rest);
    socket.to(room).emit("message", { from: socket.data.name, rest });
    done({ ok: true });
  });
  socket.on("types", (...values) => values.pop()(values.map((value) => (value === null ? "null" : typeof value)), values));
  socket.on("burst", (events, size) => {
    for (let i = 1; i <= events; i++) socket.emit("tick", i, "x".repeat(size || 0));
    socket.emit("done", events);
  });
  socket.on("half", (done) => {
    socket.emit("half", "a\ud83d", { "k\udc00": 1 });
    done("b\ud83d");
  });
});
listen(server, () => ({ ...stats, seen }));
