// A program that has a worker of Node's cluster module in its place: it asks the primary (primary.js) for one with its own
// environment, says what the worker says, hands on signals, and ends as it ends.
"use strict";

const net = require("net");
const readline = require("readline");

function end({ code, signal }) {
  if (signal === null) process.exit(code);
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
}

module.exports = (address) => {
  const [host, port] = address.split(":");
  const socket = net.connect(Number(port), host);
  const tell = (what) => socket.write(`${JSON.stringify(what)}\n`);
  let last;
  tell({ env: process.env });
  readline.createInterface({ input: socket }).on("line", (line) => {
    const { stream, said, ...how } = JSON.parse(line);
    if (stream) process[stream].write(Buffer.from(said, "base64"));
    else last = how;
  });
  socket.on("error", (error) => console.error(`the primary at ${address}: ${error.message}`));
  socket.on("close", () => end(last ?? { code: 1, signal: null }));
  process.on("SIGTERM", () => tell({ signal: "SIGTERM" }));
};
