// Two nodes of one cluster behind one address: connections go to them in turn, and each answer says which it was (x-node).
// MODE: slow (a message takes 40 ms from node to node, in its order), lossy (some never get there), twice (some come twice on their
// own node), swap (a sender's messages change places).
"use strict";
const http = require("http");
const net = require("net");
const { Server } = require("socket.io");


const mode = process.env.MODE || "slow";
let said = 0;
const nodes = ["east", "west"].map((name) => {
  const server = http.createServer();
  const io = new Server(server);
  io.engine.on("headers", (headers) => (headers["x-node"] = name));
  io.engine.on("initial_headers", (headers) => (headers["x-node"] = name));
  server.listen(0, "127.0.0.1");
  return { server, io };
});
nodes.forEach(({ io }, number) => {
  const other = nodes[1 - number].io;
  io.on("connection", (socket) => {
    let kept;
    socket.on("join", (room, done) => {
      socket.join(room);
      done();
    });
    const tell = (room, text) => {
      said += 1;
      socket.to(room).emit("message", text);
      if (mode === "twice" && said % 20 === 0) socket.to(room).emit("message", text);
      if (mode === "lossy" && said % 20 === 0) return;
      // One behind the other, as over one connection to a broker.
      if (mode === "slow") setTimeout(() => other.to(room).emit("message", text), 40);
      else other.to(room).emit("message", text);
    };
    socket.on("say", (room, text, done) => {
      done();
      if (mode !== "swap") return tell(room, text);
      // Every second message overtakes the one before it.
      if (kept === undefined) kept = [room, text];
      else {
        tell(room, text);
        tell(...kept);
        kept = undefined;
      }
    });
    socket.on("disconnect", () => kept && tell(...kept));
  });
});
let turn = 0;
const front = net.createServer((socket) => {
  const onward = net.connect(nodes[turn++ % 2].server.address().port, "127.0.0.1");
  socket.pipe(onward).pipe(socket);
  onward.on("error", () => socket.destroy());
  socket.on("error", () => onward.destroy());
});
front.listen(0, "127.0.0.1", () => console.log(`LISTENING ${front.address().port}`));
process.on("SIGTERM", () => process.exit(0));
