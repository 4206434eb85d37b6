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
  const listen = () => http.listen(Number(env.PORT || 3000), "127.0.0.1", told);
  if (cluster) cluster.ready().then(listen);
  else listen();
  process.on("SIGTERM", () => {
    // A broker that is away must not keep the process.
    if (cluster) setTimeout(() => process.exit(0), 1000);
    io.close(() => process.exit(0));
  });
}

if (env.SIO_ADAPTER) require("./adapter")(env.SIO_ADAPTER).then(serve);
else serve();
