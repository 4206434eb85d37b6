// A chat with rooms. MODE: plain, confirm (the sender is told `sent`), history (who joins gets what was said before),
// typo (the event has another name than was agreed).
"use strict";
const server = require("http").createServer();
const { Server } = require("socket.io");
const { listen } = require("./lib");

const mode = process.env.MODE || "plain";
const said = new Map();
const io = new Server(server);
io.on("connection", (socket) => {
  socket.on("join", (room, done) => {
    socket.join(room);
    if (mode === "history") socket.emit("history", room, said.get(room) || []);
    done?.({ ok: true });
  });
  socket.on("say", (room, text, done) => {
    const message = { room, text, at: Date.now() };
    if (mode === "history") said.set(room, [...(said.get(room) || []).slice(-20), message]);
    socket.to(room).emit(mode === "typo" ? "mesage" : "message", message);
    if (mode === "confirm") socket.emit("sent", message);
    done?.({ ok: true });
  });
});
listen(server, () => ({ clients: io.engine.clientsCount }));
