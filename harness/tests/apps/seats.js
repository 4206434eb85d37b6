// A server with so many SEATS, and no more: whoever comes when all are taken is refused. MODE: plain, stuck (work is never
// answered).
"use strict";
const server = require("http").createServer();
const { Server } = require("socket.io");
const { listen } = require("./lib");

const seats = Number(process.env.SEATS || 20);
let taken = 0;
let refused = 0;
const io = new Server(server);
io.use((socket, next) => {
  if (taken >= seats) {
    refused += 1;
    return next(new Error("every seat is taken"));
  }
  taken += 1;
  socket.on("disconnect", () => (taken -= 1));
  next();
});
io.on("connection", (socket) => {
  // A fence, so that a trial need not wait for what may still come.
  socket.on("message-with-ack", (...args) => args.at(-1)?.());
  socket.on("work", (text, done) => process.env.MODE === "stuck" || done());
});
listen(server, () => ({ taken, refused }));
