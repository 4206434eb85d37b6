// socket.io 2 speaks Engine.IO 3, which sio-bench does not; this target shows that it says so.
"use strict";

const server = require("http").createServer();
const io = require("socket.io")(server, { serveClient: false });

io.on("connection", (socket) => socket.on("message-with-ack", (...args) => args.pop()(...args)));
server.listen(Number(process.env.PORT || 3000), "127.0.0.1", () => console.log(`LISTENING ${server.address().port}`));
