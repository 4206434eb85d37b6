// Documents that several people edit: a login that gives a token, presence under `/`, documents as rooms under `/docs`.
// Everybody has the password "secret". SIO_PATH: another path; COOKIE: the login also sets a cookie of that name, without
// which there is no handshake; IO_COOKIE: a cookie of Socket.IO's own; SAVED=whole: an edit is confirmed with all of it; HISTORY=said: who
// opens a document is told its last edits again, as `edited`.
// FAULT: one of echo, lost, doubled and wrong-room, at every FAULT_EVERYth chance, counted in `GET /stats`.
"use strict";
const crypto = require("crypto");
const { Server } = require("socket.io");
const { listen } = require("./lib");

const { SIO_PATH = "/socket.io/", COOKIE, IO_COOKIE, SAVED, HISTORY, FAULT = "" } = process.env;
const every = Number(process.env.FAULT_EVERY || (FAULT === "echo" ? 100 : 1000));
const stats = { logins: 0, refused: 0, calls: {}, deliveries: {}, chances: 0, faults: 0 };
const count = (table, name) => (table[name] = (table[name] || 0) + 1);

// Tokens: header, claims and signature, as in a JWT.
const KEY = "a key for tests";
const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
const sign = (text) => crypto.createHmac("sha256", KEY).update(text).digest("base64url");
const token = (user) => {
  const text = `${encode({ alg: "HS256", typ: "JWT" })}.${encode({ sub: user })}`;
  return `${text}.${sign(text)}`;
};
const userOf = (token) => {
  const [header, claims, signature] = String(token).split(".");
  if (signature !== sign(`${header}.${claims}`)) return undefined;
  return JSON.parse(Buffer.from(claims, "base64url")).sub;
};

const server = require("http").createServer(async (request, response) => {
  if (request.method !== "POST" || request.url !== "/login") return response.writeHead(404).end("no such page");
  let body = "";
  for await (const piece of request) if ((body += piece).length > 10_000) return response.writeHead(413).end();
  let user, password;
  try {
    ({ user, password } = JSON.parse(body));
  } catch {}
  response.setHeader("content-type", "application/json");
  if (typeof user !== "string" || password !== "secret") return response.writeHead(401).end('{"error":"wrong password"}');
  stats.logins += 1;
  if (COOKIE) response.setHeader("set-cookie", `${COOKIE}=${token(user)}; Path=/; HttpOnly`);
  response.end(JSON.stringify({ user, token: token(user) }));
});

const cookieOf = (request) => (request.headers.cookie || "").split("; ").find((pair) => pair.startsWith(`${COOKIE}=`));
const io = new Server(server, {
  path: SIO_PATH,
  cookie: IO_COOKIE && { name: IO_COOKIE },
  allowRequest: (request, done) => done(null, !COOKIE || userOf((cookieOf(request) || "").slice(COOKIE.length + 1)) !== undefined),
});

// Presence: everybody is told how many are here, at most ten times a second.
let due;
const tell = () => (due ||= setTimeout(() => ((due = undefined), io.emit("online", io.sockets.sockets.size)), 100));
io.on("connection", (socket) => (tell(), socket.on("disconnect", tell)));

const docs = io.of("/docs");
docs.use((socket, next) => {
  socket.data.user = userOf(socket.handshake.auth.token);
  if (socket.data.user !== undefined) return next();
  stats.refused += 1;
  next(Object.assign(new Error("token missing or wrong"), { data: { login: "/login" } }));
});

const members = (doc) => [...(docs.adapter.rooms.get(doc) || [])].map((id) => docs.sockets.get(id)).filter(Boolean);
const give = (socket, event, ...args) => (count(stats.deliveries, event), socket.emit(event, ...args));
const strikes = (fault) => FAULT === fault && ++stats.chances % every === 0 && ((stats.faults += 1), true);
/// An edit to one of those it is for, with whatever is to go wrong.
const deliver = (to, edit) => {
  if (strikes("lost")) return;
  give(to, "edited", edit);
  if (strikes("doubled")) give(to, "edited", edit);
  const outsider = FAULT === "wrong-room" && [...docs.sockets.values()].find((other) => !other.rooms.has(edit.doc));
  if (outsider && strikes("wrong-room")) give(outsider, "edited", edit);
};

const history = new Map();
let ids = 0;
docs.on("connection", (socket) => {
  const { user } = socket.data;
  const others = (doc) => members(doc).filter((other) => other !== socket);
  const on = (event, handler) =>
    socket.on(event, (doc, ...args) => {
      count(stats.calls, event);
      const answer = typeof args.at(-1) === "function" ? args.pop() : () => {};
      if (event !== "open" && !socket.rooms.has(doc)) return answer({ error: `${doc} is not open` });
      handler(doc, answer, ...args);
    });
  on("open", (doc, answer) => {
    socket.join(doc);
    others(doc).forEach((other) => give(other, "joined", { doc, user }));
    if (HISTORY) (history.get(doc) || []).forEach((edit) => give(socket, "edited", edit));
    answer({ doc, history: history.get(doc) || [], members: members(doc).length });
  });
  on("edit", (doc, answer, { id = ++ids, text } = {}) => {
    const edit = { doc, id, from: user, text, at: Date.now() };
    history.set(doc, [...(history.get(doc) || []).slice(-9), edit]);
    others(doc).forEach((other) => deliver(other, edit));
    if (strikes("echo")) give(socket, "edited", edit);
    give(socket, "saved", SAVED === "whole" ? edit : { doc, id });
    answer({ ok: true, id });
  });
  on("upload", (doc, answer, name, bytes) => {
    others(doc).forEach((other) => give(other, "file", { doc, from: user, name, bytes }));
    answer({ ok: true, size: bytes?.length });
  });
  const left = (doc) => others(doc).forEach((other) => give(other, "left", { doc, user }));
  on("close", (doc, answer) => (socket.leave(doc), left(doc), answer({ ok: true })));
  socket.on("disconnecting", () => [...socket.rooms].forEach((doc) => doc !== socket.id && left(doc)));
});
listen(server, () => ({ ...stats, fault: FAULT, clients: io.engine.clientsCount }));
