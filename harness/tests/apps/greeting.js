// A stock application that speaks first: it greets each new socket, with and without bytes, and tells everybody the time
// now and then. It has no other events.
"use strict";
const server = require("http").createServer();
const { Server } = require("socket.io");
const { listen } = require("./lib");

const io = new Server(server);
io.on("connection", (socket) => {
  socket.emit("hello", { online: io.engine.clientsCount });
  socket.emit("avatar", Buffer.from([1, 2, 3]), "image/png");
});
setInterval(() => io.emit("time", Date.now()), 300).unref();
listen(server);
