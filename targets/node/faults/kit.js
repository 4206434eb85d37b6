// What the faults take hold of: the classes of the installed packages, and ways to change them before a server is made.
"use strict";

const path = require("path");

// Files that the packages do not export are reached by their path.
function file(name, within) {
  const main = require.resolve(name);
  const folder = path.join("node_modules", name, path.sep);
  return require(path.join(main.slice(0, main.lastIndexOf(folder)), folder, within));
}

const { Adapter, SessionAwareAdapter } = require("socket.io-adapter");
const { Encoder, Decoder, PacketType } = require("socket.io-parser");
const { Server } = require("socket.io");
const { Server: Engine } = require("engine.io");
const { Socket: Session } = file("engine.io", "build/socket.js");
const { Polling } = file("engine.io", "build/transports/polling.js");
const { WebSocket } = file("engine.io", "build/transports/websocket.js");
const { BroadcastOperator } = file("socket.io", "dist/broadcast-operator.js");
const { Client } = file("socket.io", "dist/client.js");
const { Namespace } = file("socket.io", "dist/namespace.js");
const { ParentNamespace } = file("socket.io", "dist/parent-namespace.js");
const { Socket } = file("socket.io", "dist/socket.js");

// `make` gets what was there and returns what is there from now on.
function wrap(owner, name, make) {
  const before = owner[name];
  if (typeof before !== "function") throw new Error(`nothing to wrap: ${owner.constructor.name}.${name}`);
  owner[name] = make(before);
}

// Options of the engine, after they were read and before they have an effect.
const options = (change) =>
  wrap(Engine.prototype, "init", (init) => function () {
    if (!this.isFaulty) change(this.opts);
    this.isFaulty = true;
    return init.call(this);
  });

// The payloads of a session, whose transports have a parser each.
const parser = (change) =>
  wrap(Session.prototype, "setTransport", (setTransport) => function (transport) {
    const { parser } = transport;
    transport.parser = { ...parser, ...change(parser, transport) };
    return setTransport.call(this, transport);
  });

// Who gets a broadcast: `choose` gets the recipients in their order and returns those who get it, as often as it names them.
function recipients(choose) {
  for (const name of ["broadcast", "broadcastWithAck"]) {
    wrap(Adapter.prototype, name, (broadcast) => function (...args) {
      this.isBroadcasting = true;
      try {
        return broadcast.apply(this, args);
      } finally {
        this.isBroadcasting = false;
      }
    });
  }
  wrap(Adapter.prototype, "apply", (apply) => function (opts, callback) {
    if (!this.isBroadcasting) return apply.call(this, opts, callback);
    const found = [];
    apply.call(this, opts, (socket) => found.push(socket));
    choose(found, opts, this).forEach(callback);
  });
}

// What broadcasts are told: rooms, exceptions and flags.
function broadcasts(change) {
  for (const name of ["broadcast", "broadcastWithAck"]) {
    wrap(Adapter.prototype, name, (broadcast) => function (packet, opts, ...rest) {
      const changed = change(opts, this, packet);
      if (changed) return broadcast.call(this, packet, changed, ...rest);
    });
  }
}

// The text of a packet, as it is written.
const text = (change) =>
  wrap(Encoder.prototype, "encodeAsString", (encode) => function (packet) {
    return change(encode.call(this, packet), packet);
  });

// The arguments of an event, as they are written.
const written = (change) =>
  wrap(Encoder.prototype, "encode", (encode) => function (packet) {
    const isEvent = packet.type === PacketType.EVENT;
    return encode.call(this, isEvent ? { ...packet, data: change(packet.data) } : packet);
  });

// True at each nth call.
function each(n) {
  let calls = 0;
  return () => ++calls % n === 0;
}

module.exports = {
  Adapter, SessionAwareAdapter, BroadcastOperator, Client, Decoder, Encoder, Engine, Namespace, PacketType, ParentNamespace, Polling,
  Server, Session, Socket, WebSocket, broadcasts, each, options, parser, recipients, text, wrap, written,
};
