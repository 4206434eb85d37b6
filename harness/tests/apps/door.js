// An application that keeps people out, in the way that REFUSE says: token (CONNECT_ERROR in /app), mute (the middleware of
// /app never answers), join (joins are never acknowledged), no (joins are acknowledged with a refusal), http (handshakes
// with ?users get HTTP 503). With EVERY, one of so many is let in.
"use strict";
const server = require("http").createServer();
const { Server } = require("socket.io");
const { listen } = require("./lib");

const refuse = process.env.REFUSE;
const every = process.env.EVERY ? Number(process.env.EVERY) : Infinity;
let asked = 0;
const open = () => asked % every === 0;
const io = new Server(server, {
  allowRequest: (request, done) => done(null, !(refuse === "http" && request.url.includes("users"))),
});
const app = io.of("/app");
app.use((socket, next) => {
  asked += 1;
  if (open()) return next();
  if (refuse === "token") return next(Object.assign(new Error("jwt malformed"), { data: { code: 4401 } }));
  if (refuse !== "mute") next();
});
app.on("connection", (socket) => {
  socket.on("join", (room, done) => {
    if (refuse === "join" && !open()) return;
    done(refuse === "no" ? { error: "forbidden" } : { ok: true });
  });
  socket.on("say", (room, text, done) => done());
});
listen(server, () => ({ asked }));
