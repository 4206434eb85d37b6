// Rooms, and what an application may make of the messages in them. EVERY: how many chances there are to a fault (1000).
// MODE: confirm, history, notify, typo, mirror: what comes besides, or instead, under other names; batch, quote: several messages
// in one event; strict: every fifth message is refused; slow: a join takes its time, and an event says when it has happened; auth: who
// connects is put into the rooms that its auth names; numbers: rooms are numbers; named: events are called after the room. FAULT, each counted in `GET /stats` when it strikes: echo, lost, doubled, wrong-room, late, swap; cut, upper, gone: what becomes of a text;
// all-upper, all-gone: of every text.
"use strict";
const { Server } = require("socket.io");
const { listen } = require("./lib");

const { MODE = "", FAULT = "", EVERY = "1000" } = process.env;
const stats = { faults: 0, chances: 0, delivered: 0, others: 0, refused: 0 };
let asked = 0;
const strikes = (...faults) => faults.includes(FAULT) && ++stats.chances % Number(EVERY) === 0 && ((stats.faults += 1), true);

const server = require("http").createServer();
const io = new Server(server);
const said = new Map();
let held;

/// What the text has become on its way.
const changed = (text) => {
  if (FAULT === "all-upper") return text.toUpperCase();
  if (FAULT === "all-gone") return "(removed)";
  if (!strikes("cut", "cut-short", "upper", "gone")) return text;
  if (FAULT === "cut") return text.slice(0, text.length / 2);
  if (FAULT === "cut-short") return text.slice(0, 14);
  return FAULT === "upper" ? text.toUpperCase() : "(removed)";
};

// What a member has not been told yet.
const batches = new Map();
const collect = (to, message) => {
  if (!batches.has(to)) {
    batches.set(to, []);
    setTimeout(() => {
      to.emit("message", { items: batches.get(to) });
      batches.delete(to);
    }, 80);
  }
  batches.get(to).push(message);
};

const give = (to, message) => {
  if (strikes("lost")) return;
  if (MODE === "batch") return collect(to, message);
  if (strikes("late")) return setTimeout(() => to.emit("message", message), 300);
  // Out of order: it waits for the next one to the same member.
  if (!held && strikes("swap")) return (held = { to, message });
  stats.delivered += 1;
  const event = { typo: "mesage", named: `chat:${message.room}` }[MODE] || "message";
  to.emit(event, { ...message, text: changed(message.text) });
  if (held?.to === to) {
    to.emit("message", held.message);
    held = undefined;
  }
  if (strikes("doubled")) to.emit("message", message);
  const outsider = FAULT === "wrong-room" && [...io.sockets.sockets.values()].find((other) => !other.rooms.has(message.room));
  if (outsider && strikes("wrong-room")) outsider.emit("message", message);
};

const other = (to, event, ...args) => ((stats.others += 1), to.emit(event, ...args));

io.on("connection", (socket) => {
  if (MODE === "auth") socket.join(socket.handshake.auth.rooms);
  socket.on("join", (room, done) => {
    if (MODE === "numbers" && !Number.isInteger(room)) return done?.({ ok: false });
    if (MODE === "slow") {
      // Each further room of somebody takes a second more.
      const before = (socket.data.joins = (socket.data.joins || 0) + 1) - 1;
      return setTimeout(() => {
        socket.join(room);
        socket.emit("joined", { room, members: io.sockets.adapter.rooms.get(room).size });
      }, 200 + Math.random() * 200 + 1_000 * before);
    }
    socket.join(room);
    if (MODE === "history") other(socket, "history", room, said.get(room) || []);
    if (MODE === "system") socket.emit("message", { room, text: "somebody came in" });
    done?.({ ok: true });
  });
  socket.on("say", (room, text, id, done = id) => {
    if (MODE === "strict" && ++asked % 5 === 0) {
      stats.refused += 1;
      return done({ ok: false, error: "slow down" });
    }
    const message = { room, text, id, at: Date.now() };
    if (MODE === "quote") {
      message.quoted = said.get(room);
      said.set(room, text);
    }
    if (MODE === "history") said.set(room, [...(said.get(room) || []).slice(-5), message]);
    for (const member of io.sockets.adapter.rooms.get(room) || []) {
      const to = io.sockets.sockets.get(member);
      if (to && to !== socket) {
        give(to, message);
        if (MODE === "notify") other(to, "notification", { about: "message", text });
      }
    }
    if (strikes("echo")) socket.emit("message", message);
    if (MODE === "confirm") other(socket, "sent", message);
    if (MODE === "mirror") other(socket, "message", { ...message, room: "outbox" });
    if (typeof done === "function") done({ ok: true });
  });
});
listen(server, () => ({ ...stats, clients: io.engine.clientsCount }));
