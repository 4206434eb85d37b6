// A chat with the events of Socket.IO's own chat example: `add user` and `login`, `new message`, `typing` and
// `stop typing`, `user joined` and `user left`. For `chat-example.toml`, which drives that example as it is.
"use strict";

const http = require("http").createServer();
const { Server } = require("socket.io");

const io = new Server(http);
let people = 0;

io.on("connection", (socket) => {
  let name;
  const tellOthers = (event, more) => socket.broadcast.emit(event, { username: name, ...more });
  socket.on("new message", (message) => tellOthers("new message", { message }));
  socket.on("typing", () => tellOthers("typing"));
  socket.on("stop typing", () => tellOthers("stop typing"));
  socket.on("add user", (username) => {
    if (name !== undefined) return;
    name = username;
    people += 1;
    socket.emit("login", { numUsers: people });
    tellOthers("user joined", { numUsers: people });
  });
  socket.on("disconnect", () => {
    if (name === undefined) return;
    people -= 1;
    tellOthers("user left", { numUsers: people });
  });
});

http.listen(Number(process.env.PORT || 3000), () => console.log(`LISTENING ${http.address().port}`));
process.on("SIGTERM", () => io.close(() => process.exit(0)));
