// The fixture on a socket.io whose acknowledgements never leave: everything else is as it should be.
"use strict";
const server = require("http").createServer();
const { Server, Socket } = require("socket.io");
const { listen } = require("./lib");

Socket.prototype.ack = () => () => {};
require("../../../targets/node/fixture")(new Server(server));
listen(server);
