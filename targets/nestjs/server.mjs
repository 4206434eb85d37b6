// The fixture under NestJS: namespaces, middlewares and greetings are those of Node's, events go through Nest's gateways.
import "reflect-metadata";
import { createRequire } from "node:module";
import { Module } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { IoAdapter } from "@nestjs/platform-socket.io";
import { Ack, ConnectedSocket, MessageBody, SubscribeMessage, WebSocketGateway } from "@nestjs/websockets";

const require = createRequire(import.meta.url);
const fixture = require("../node/fixture.js");
const shared = require("../node/options.js");
const env = process.env;
const number = (name, fallback) => Number(env[name] || fallback);

if (env.SIO_PARSER && env.SIO_PARSER !== "json") {
  console.error("SIO_PARSER is set, but no other parser is installed here");
  process.exit(2);
}

const options = shared();

// What a socket does with an event; Nest's handlers look it up.
const runs = new WeakMap();

const STATIC = ["/", "/custom", "/dynamic-101", "/slow", "/chain"];

// The namespaces are there, in the order of the contract, before Nest asks for them. A gateway for a pattern would make a second
// parent, which never has a child: there the fixture takes the events itself.
class Adapter extends IoAdapter {
  createIOServer(port, given) {
    const server = super.createIOServer(port, { ...given, ...options });
    fixture(server, (socket, names, run) => {
      if (STATIC.includes(socket.nsp.name)) runs.set(socket, run);
      else fixture.listen(socket, names, run);
    });
    return server;
  }
}

const EVENTS = ["message", "message-with-ack", "whoami", "join", "leave", "emit", "select", "mark", "data", "acks", "later", "bye", "journal", "adapter", "handshake"];

// The same as a class with decorators, for each of the namespaces.
function gateway(namespace) {
  class Gateway {}
  for (const event of EVENTS) {
    Gateway.prototype[event] = (socket, body, ack) => {
      // Nest hands over the one argument there is, or a list of several.
      const args = Array.isArray(body) ? body : body === undefined ? [] : [body];
      runs.get(socket)?.(event, event === "join" || event === "leave" ? [args] : args, typeof ack === "function" ? ack : undefined);
    };
    const method = Object.getOwnPropertyDescriptor(Gateway.prototype, event);
    ConnectedSocket()(Gateway.prototype, event, 0);
    MessageBody()(Gateway.prototype, event, 1);
    Ack()(Gateway.prototype, event, 2);
    SubscribeMessage(event)(Gateway.prototype, event, method);
  }
  WebSocketGateway({ namespace })(Gateway);
  return Gateway;
}

class App {}
Module({ providers: STATIC.map(gateway) })(App);

const app = await NestFactory.create(App, { logger: ["error"] });
app.useWebSocketAdapter(new Adapter(app));
await app.listen(number("PORT", 3000), "127.0.0.1");
console.log(`LISTENING ${app.getHttpServer().address().port}`);
process.on("SIGTERM", () => app.close().then(() => process.exit(0)));
