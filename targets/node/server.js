// The fixture on Node's socket.io.
"use strict";

const http = require("http").createServer();
const socketIo = require("socket.io");

// Something that the packages do wrong from now on, for the self-test of sio-bench.
if (process.env.SIO_FAULT) require("./faults").install(process.env.SIO_FAULT);

// Versions 1 and 2 export the server itself.
const Server = socketIo.Server ?? socketIo;
const io = new Server(http, require("./options")(() => require("socket.io-msgpack-parser")));

require("./fixture")(io);
http.listen(Number(process.env.PORT || 3000), () => console.log(`LISTENING ${http.address().port}`));
process.on("SIGTERM", () => io.close(() => process.exit(0)));
