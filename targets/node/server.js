// The fixture on Node's socket.io.
"use strict";

const { SIO_TLS_CERT: cert, SIO_TLS_KEY: key } = process.env;
const read = require("fs").readFileSync;
const http = cert ? require("https").createServer({ cert: read(cert), key: read(key) }) : require("http").createServer();
const socketIo = require("socket.io");
const { env } = process;

// Something that the packages do wrong from now on, for the self-test of sio-bench.
if (env.SIO_FAULT) require("./faults").install(env.SIO_FAULT);

// Versions 1 and 2 export the server itself.
const Server = socketIo.Server ?? socketIo;

function serve(cluster) {
  const options = require("./options")(() => require("socket.io-msgpack-parser"), cluster?.adapter);
  const io = new Server(http, options);
  require("./fixture")(io);
  const told = () => console.log(`LISTENING ${http.address().port}`);
  // Exclusive: a worker of Node's cluster module would share the port with the others.
  const listen = () => http.listen({ port: Number(env.PORT || 3000), host: "127.0.0.1", exclusive: true }, told);
  // Its primary listens for all workers.
  const join = () => {
    require("@socket.io/sticky").setupWorker(io);
    process.send({ ready: true });
  };
  if (cluster) cluster.ready().then(env.SIO_STICKY === "1" ? join : listen);
  else listen();
  process.on("SIGTERM", () => {
    // A broker that is away must not keep the process.
    if (cluster) setTimeout(() => process.exit(0), 1000);
    io.close(() => process.exit(0));
  });
}

const { isWorker } = require("cluster");
const [kind, address] = (env.SIO_ADAPTER ?? "").split("://");

if (kind === "cluster" && !isWorker) require("./seat")(address);
else if (kind) require("./adapter")(env.SIO_ADAPTER).then(serve);
else serve();
