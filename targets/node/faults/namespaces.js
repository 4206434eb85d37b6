// Namespaces, and the life of a socket in one.
"use strict";

const { EventEmitter } = require("events");

// What is done with the packets of a client; `change` returns true if it has dealt with one.
const packets = (change) => ({ Client, PacketType, wrap }) =>
  wrap(Client.prototype, "ondecoded", (ondecoded) => function (packet) {
    if (!change(this, packet, this.nsps.get(packet.nsp), PacketType, ondecoded)) return ondecoded.call(this, packet);
  });

// Raises an event of a socket, whatever has become of it.
function raise(socket, packet) {
  const args = [...packet.data];
  if (packet.id != null) args.push(socket.ack(packet.id));
  EventEmitter.prototype.emit.apply(socket, args);
}

module.exports = [
  {
    // But for the greeting: without that nobody gets far enough to see the rest.
    id: "N01", name: "nsp-stripped", wrong: "events of a namespace are sent without it", noticed: ["SIO-EV-02", "I4"],
    install: ({ Encoder, PacketType, wrap }) =>
      wrap(Encoder.prototype, "encode", (encode) => function (packet) {
        const isStripped = packet.type === PacketType.EVENT && packet.data[0] !== "auth";
        return encode.call(this, isStripped ? { ...packet, nsp: "/" } : packet);
      }),
  },
  {
    id: "N02", name: "dynamic-wins", wrong: "a pattern wins over a namespace that exists", noticed: ["NS-05", "I10"],
    install: ({ Client, wrap }) =>
      wrap(Client.prototype, "connect", (connect) => function (name, auth) {
        const { server } = this;
        const statics = server._nsps.get(name);
        // As if it were not there, for the pattern to be asked.
        if (server.parentNsps.size > 0) server._nsps.delete(name);
        server._checkNamespace(name, auth ?? {}, (child) => {
          if (!child && statics) server._nsps.set(name, statics);
          connect.call(this, name, auth);
        });
      }),
  },
  {
    id: "N03", name: "patterns-reversed", wrong: "the last pattern that matches decides", noticed: ["NS-04", "I10"],
    install: ({ Server, wrap }) =>
      wrap(Server.prototype, "_checkNamespace", (check) => function (name, auth, done) {
        const reversed = new Map([...this.parentNsps].reverse());
        return check.call(Object.create(this, { parentNsps: { value: reversed } }), name, auth, done);
      }),
  },
  {
    id: "N04", name: "dynamic-race", wrong: "every client that races for a dynamic namespace gets a child of its own", noticed: ["NS-08", "I6"],
    install: ({ Server }) => {
      Server.prototype._checkNamespace = function (name, auth, done) {
        const matchers = [...this.parentNsps.keys()];
        const ask = (index) => {
          if (index === matchers.length) return done(false);
          matchers[index](name, auth, (error, allow) =>
            error || !allow ? ask(index + 1) : done(this.parentNsps.get(matchers[index]).createChild(name)));
        };
        ask(0);
      };
    },
  },
  {
    id: "N05", name: "child-kept", wrong: "empty children are kept although clean-up is on", noticed: ["NS-11"],
    install: ({ ParentNamespace, wrap }) =>
      wrap(ParentNamespace.prototype, "createChild", (create) => function (name) {
        this.server._opts.cleanupEmptyChildNamespaces = false;
        return create.call(this, name);
      }),
  },
  {
    id: "N07", name: "unknown-nsp-accepted", wrong: "any namespace may be joined", noticed: ["SIO-CN-05", "NS-02"],
    install: ({ Server, wrap }) =>
      wrap(Server.prototype, "_checkNamespace", (check) => function (name, auth, done) {
        return check.call(this, name, auth, (found) => done(found || this.of(name)));
      }),
  },
  {
    id: "N08", name: "middlewares-skipped", wrong: "middlewares are not asked", noticed: ["MW-01", "SIO-CN-13"],
    install: ({ Namespace }) => {
      Namespace.prototype.run = (_, done) => done();
    },
  },
  {
    id: "N10", name: "refusal-ignored", wrong: "who is refused comes in all the same", noticed: ["SIO-CN-13", "MW-02"],
    install: ({ Namespace, wrap }) =>
      wrap(Namespace.prototype, "run", (run) => function (socket, done) {
        return run.call(this, socket, () => done());
      }),
  },
  {
    id: "N11", name: "refusal-data-lost", wrong: "refusals lose their data", noticed: ["MW-03", "SIO-CN-13"],
    install: ({ Socket, wrap }) =>
      wrap(Socket.prototype, "_error", (refuse) => function ({ message }) {
        return refuse.call(this, { message });
      }),
  },
  {
    id: "N12", name: "refusal-text", wrong: "a refusal is a bare text", noticed: ["SIO-CN-14"],
    install: ({ Client, PacketType, wrap }) =>
      wrap(Client.prototype, "_packet", (write) => function (packet, opts) {
        const isRefusal = packet.type === PacketType.CONNECT_ERROR;
        return write.call(this, isRefusal ? { ...packet, data: packet.data.message ?? packet.data } : packet, opts);
      }),
  },
  {
    id: "N13", name: "event-before-connect", wrong: "what is sent in the connect handler comes ahead of CONNECT", noticed: ["SIO-CN-18", "I12"],
    install: ({ PacketType, Socket, wrap }) =>
      wrap(Socket.prototype, "packet", (write) => function (packet, opts) {
        if (packet.type !== PacketType.CONNECT) return write.call(this, packet, opts);
        process.nextTick(() => write.call(this, packet, opts));
      }),
  },
  {
    id: "N14", name: "second-connect-ignored", wrong: "a second CONNECT is ignored", noticed: ["SIO-CN-08"],
    install: packets((_, packet, socket, { CONNECT }) => socket && packet.type === CONNECT),
  },
  {
    id: "N15", name: "second-connect-answered", wrong: "a second CONNECT is answered again", noticed: ["SIO-CN-08", "SIO-CN-21"],
    install: packets((_, packet, socket, { CONNECT }) => {
      if (!socket || packet.type !== CONNECT) return false;
      socket.packet({ type: CONNECT, data: { sid: socket.id } });
      return true;
    }),
  },
  {
    id: "N16", name: "connect-without-sid", wrong: "the answer to CONNECT has no id", noticed: ["SIO-CN-01"],
    install: ({ PacketType, Socket, wrap }) =>
      wrap(Socket.prototype, "packet", (write) => function (packet, opts) {
        return write.call(this, packet.type === PacketType.CONNECT ? { ...packet, data: {} } : packet, opts);
      }),
  },
  {
    id: "N17", name: "sid-is-session", wrong: "the id of a socket is that of its session", noticed: ["SIO-CN-02", "I18"],
    install: ({ Namespace, wrap }) =>
      wrap(Namespace.prototype, "_createSocket", (create) => async function (client, auth) {
        const socket = await create.call(this, client, auth);
        socket.id = client.conn.id;
        return socket;
      }),
  },
  {
    id: "N18", name: "auth-lost", wrong: "the payload of CONNECT is lost", noticed: ["SIO-CN-03"],
    install: ({ Client, wrap }) =>
      wrap(Client.prototype, "connect", (connect) => function (name) {
        return connect.call(this, name, {});
      }),
  },
  {
    id: "N19", name: "connect-payload-any", wrong: "a CONNECT may carry anything", noticed: ["SIO-CN-15", "SIO-MF-08"],
    install: ({ Decoder, PacketType, wrap }) =>
      wrap(Decoder, "isPayloadValid", (isValid) => (type, payload) => type === PacketType.CONNECT || isValid(type, payload)),
  },
  {
    id: "N20", name: "stray-event-ignored", wrong: "events for a namespace that was not joined are ignored", noticed: ["SIO-CN-09", "SIO-CN-10"],
    install: packets((_, packet, socket, { CONNECT }) => !socket && packet.type !== CONNECT),
  },
  {
    id: "N21", name: "disconnect-ignored", wrong: "a DISCONNECT of a client is ignored", noticed: ["SIO-DC-02", "SIO-DC-01"],
    install: ({ Socket }) => {
      Socket.prototype.ondisconnect = () => {};
    },
  },
  {
    id: "N22", name: "disconnect-answered", wrong: "a DISCONNECT of a client is answered", noticed: ["SIO-DC-01"],
    install: ({ PacketType, Socket, wrap }) =>
      wrap(Socket.prototype, "ondisconnect", (ondisconnect) => function () {
        this.packet({ type: PacketType.DISCONNECT });
        return ondisconnect.call(this);
      }),
  },
  {
    id: "N23", name: "disconnect-untold", wrong: "a client that is put out is not told", noticed: ["SIO-DC-03"],
    install: ({ PacketType, Socket, wrap }) =>
      wrap(Socket.prototype, "packet", (write) => function (packet, opts) {
        if (packet.type !== PacketType.DISCONNECT) return write.call(this, packet, opts);
      }),
  },
  {
    id: "N24", name: "disconnect-closes", wrong: "leaving one namespace closes the connection", noticed: ["SIO-DC-02", "SIO-DC-01"],
    install: ({ Socket, wrap }) =>
      wrap(Socket.prototype, "ondisconnect", (ondisconnect) => function () {
        ondisconnect.call(this);
        this.client.close();
      }),
  },
  {
    id: "N25", name: "reason-wrong", wrong: "every disconnect is a transport error", noticed: ["SIO-DC-08", "CSR-07"],
    install: ({ Socket, wrap }) =>
      wrap(Socket.prototype, "_onclose", (close) => function (_, ...rest) {
        return close.call(this, "transport error", ...rest);
      }),
  },
  {
    id: "N26", name: "nsp-names-folded", wrong: "names of namespaces lose their case", noticed: ["SIO-CN-19"],
    install: ({ Decoder, wrap }) =>
      wrap(Decoder.prototype, "decodeString", (decode) => function (said) {
        const packet = decode.call(this, said);
        return { ...packet, nsp: packet.nsp.toLowerCase() };
      }),
  },
  {
    id: "N27", name: "disconnecting-late", wrong: "rooms are left ahead of the disconnecting event", noticed: ["SIO-DC-06"],
    install: ({ Socket, wrap }) =>
      wrap(Socket.prototype, "_onclose", (close) => function (...args) {
        if (this.connected) this.leaveAll();
        return close.apply(this, args);
      }),
  },
  {
    id: "N29", name: "connection-told-twice", wrong: "the connect handlers run twice", noticed: ["SIO-CN-25"],
    install: ({ Namespace, wrap }) =>
      wrap(Namespace.prototype, "emitReserved", (emit) => function (event, ...args) {
        if (event === "connection") emit.call(this, event, ...args);
        return emit.call(this, event, ...args);
      }),
  },
  {
    id: "N30", name: "refused-stays", wrong: "a refused socket stays in the rooms of its middleware", noticed: ["RM-16"],
    install: ({ Socket, wrap }) =>
      wrap(Socket.prototype, "_cleanup", (cleanup) => function () {
        if (this.connected) return cleanup.call(this);
        this.nsp._remove(this);
      }),
  },
  {
    id: "N31", name: "early-events-kept", wrong: "what comes ahead of the answer to CONNECT is kept and handled behind it", noticed: ["SIO-CN-11", "ADM-01"],
    install: ({ Client, Namespace, PacketType, wrap }) => {
      const early = new WeakMap();
      wrap(Client.prototype, "ondecoded", (ondecoded) => function (packet) {
        const waiting = early.get(this)?.get(packet.nsp);
        if (waiting && packet.type !== PacketType.CONNECT && !this.nsps.has(packet.nsp)) return void waiting.push(packet);
        if (packet.type === PacketType.CONNECT && !this.nsps.has(packet.nsp)) {
          early.set(this, (early.get(this) ?? new Map()).set(packet.nsp, []));
        }
        return ondecoded.call(this, packet);
      });
      wrap(Namespace.prototype, "_doConnect", (connect) => function (socket, done) {
        connect.call(this, socket, done);
        for (const packet of early.get(socket.client)?.get(this.name) ?? []) socket._onpacket(packet);
        early.get(socket.client)?.delete(this.name);
      });
    },
  },
  {
    id: "N34", name: "pending-reached", wrong: "broadcasts reach who waits for the answer to CONNECT", noticed: ["ADM-04", "SIO-CN-18"],
    install: ({ Adapter, wrap }) =>
      wrap(Adapter.prototype, "apply", (apply) => function (opts, callback) {
        apply.call(this, opts, callback);
        for (const socket of this.nsp._preConnectSockets.values()) {
          if (opts.rooms.size === 0 || [...opts.rooms].some((room) => socket.rooms.has(room))) callback(socket);
        }
      }),
  },
  {
    id: "N35", name: "stranger-heard", wrong: "an event for a namespace joins it", noticed: ["ADM-05", "SIO-CN-09", "SIO-CN-10"],
    install: packets((client, packet, socket, { EVENT }) => {
      if (socket || packet.type !== EVENT || !client.server._nsps.has(packet.nsp)) return false;
      const nsp = client.server.of(packet.nsp);
      nsp._add(client, {}, (fresh) => {
        client.sockets.set(fresh.id, fresh);
        client.nsps.set(nsp.name, fresh);
        // Behind the handlers that the application puts in place.
        process.nextTick(() => fresh._onpacket(packet));
      });
      return true;
    }),
  },
  {
    id: "N36", name: "left-heard", wrong: "who has left is heard all the same", noticed: ["ADM-07", "SIO-EV-09"],
    install: ({ Client, PacketType, wrap }) => {
      const left = new WeakMap();
      wrap(Client.prototype, "_remove", (remove) => function (socket) {
        left.set(this, (left.get(this) ?? new Map()).set(socket.nsp.name, socket));
        return remove.call(this, socket);
      });
      wrap(Client.prototype, "ondecoded", (ondecoded) => function (packet) {
        const gone = left.get(this)?.get(packet.nsp);
        if (!gone || this.nsps.has(packet.nsp) || packet.type !== PacketType.EVENT) return ondecoded.call(this, packet);
        raise(gone, packet);
      });
    },
  },
  {
    id: "N37", name: "handshake-lost", wrong: "the query of the first request does not reach the application", noticed: ["SIO-CN-23"],
    install: ({ Socket, wrap }) =>
      wrap(Socket.prototype, "buildHandshake", (build) => function (auth) {
        return { ...build.call(this, auth), query: {} };
      }),
  },
  {
    id: "N38", name: "child-of-others-cleaned", wrong: "clean-up lets go of a child when anybody leaves it", noticed: ["NS-14"],
    install: ({ ParentNamespace, wrap }) =>
      wrap(ParentNamespace.prototype, "createChild", (create) => function (name) {
        const child = create.call(this, name);
        const remove = child._remove;
        if (!this.server._opts.cleanupEmptyChildNamespaces) return child;
        child._remove = (socket) => {
          remove.call(child, socket);
          this.server._nsps.delete(name);
        };
        return child;
      }),
  },
];
