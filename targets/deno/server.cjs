// The fixture on Node's socket.io, under Deno's Node layer: what the target `node` runs, with the packages of this folder.
"use strict";

const http = require("node:http").createServer();
const { Server } = require("socket.io");

const io = new Server(http, require("../node/options")(() => require("socket.io-msgpack-parser")));
require("../node/fixture")(io);
http.listen(Number(process.env.PORT || 3000), "127.0.0.1", () => console.log(`LISTENING ${http.address().port}`));
process.on("SIGTERM", () => process.exit(0));
