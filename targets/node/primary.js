// The primary of Node's cluster module, over which @socket.io/cluster-adapter passes everything from worker to worker.
//
// With `WORKERS=3 PORT=3000` it starts so many and shares out the connections of its own port with @socket.io/sticky, as an
// application does. Otherwise it waits for programs that want to be a worker (seat.js), each with a port of its own, so that
// whoever tests them can choose one, end it and start it again.
"use strict";

const cluster = require("cluster");
const http = require("http");
const net = require("net");
const path = require("path");
const readline = require("readline");

const { PORT = "0", WORKERS } = process.env;
const HOST = "127.0.0.1";

// `advanced`: packets with bytes in them go from process to process as they are.
cluster.setupPrimary({ exec: path.join(__dirname, "server.js"), serialization: "advanced", silent: !WORKERS });
require("@socket.io/cluster-adapter").setupPrimary();

const told = (server) => () => console.log(`LISTENING ${server.address().port}`);

// ---- as an application does

function keep(number, ready) {
  const worker = cluster.fork({ SIO_NODE: String(number), SIO_ADAPTER: "cluster://", SIO_STICKY: "1" });
  worker.on("message", (message) => message?.ready && ready());
  worker.on("exit", () => keep(number, () => {}));
}

async function shareOut() {
  const door = http.createServer();
  require("@socket.io/sticky").setupPrimary(door);
  const numbers = Array.from({ length: Number(WORKERS) }, (_, number) => number);
  await Promise.all(numbers.map((number) => new Promise((resolve) => keep(number, resolve))));
  door.listen(Number(PORT), HOST, told(door));
}

// ---- for programs that ask

// What a worker is told is what is meant for the fixture, and nothing else that changes how Node runs.
const isMeant = ([name]) => name.startsWith("SIO_") || name === "PORT";

function seat(socket) {
  let worker;
  const tell = (what) => socket.writable && socket.write(`${JSON.stringify(what)}\n`);
  const begin = (env) => {
    worker = cluster.fork(Object.fromEntries(Object.entries(env).filter(isMeant)));
    for (const stream of ["stdout", "stderr"]) {
      worker.process[stream].on("data", (bytes) => tell({ stream, said: bytes.toString("base64") }));
    }
    // Not `exit`, which may come ahead of its last words.
    worker.process.on("close", (code, signal) => {
      tell({ code, signal });
      socket.end();
    });
  };
  readline.createInterface({ input: socket }).on("line", (line) => {
    const { env, signal } = JSON.parse(line);
    if (env && !worker) begin(env);
    if (signal) worker?.process.kill(signal);
  });
  socket.on("error", () => {});
  // Whoever asked is gone, and so is its worker.
  socket.on("close", () => worker?.process.kill("SIGKILL"));
}

if (WORKERS) shareOut();
else {
  const office = net.createServer(seat);
  office.listen(Number(PORT), HOST, told(office));
}
