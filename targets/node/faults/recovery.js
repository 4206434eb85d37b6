// Connection state recovery.
"use strict";

// Changes the session that is restored.
const restored = (change) => ({ SessionAwareAdapter, wrap }) =>
  wrap(SessionAwareAdapter.prototype, "restoreSession", (restore) => async function (pid, offset) {
    const session = await restore.call(this, pid, offset);
    return session && { ...session, ...change(session, this) };
  });

// Whether the middlewares are left out.
const skipping = (skipMiddlewares) => ({ Server, wrap }) =>
  wrap(Server.prototype, "adapter", (adapter) => function (...args) {
    if (this.opts.connectionStateRecovery) this.opts.connectionStateRecovery.skipMiddlewares = skipMiddlewares;
    return adapter.apply(this, args);
  });

module.exports = [
  {
    id: "R01", name: "recover-never", wrong: "no session is ever recovered", noticed: ["CSR-03"],
    install: ({ SessionAwareAdapter }) => {
      SessionAwareAdapter.prototype.restoreSession = () => null;
    },
  },
  {
    id: "R02", name: "recover-gap", wrong: "the last packet that was missed is not sent", noticed: ["CSR-03", "I11"],
    install: restored(({ missedPackets }) => ({ missedPackets: missedPackets.slice(0, -1) })),
  },
  {
    id: "R03", name: "recover-dup", wrong: "the first packet that was missed is sent twice", noticed: ["CSR-03", "I11"],
    install: restored(({ missedPackets }) => ({ missedPackets: [...missedPackets.slice(0, 1), ...missedPackets] })),
  },
  {
    id: "R04", name: "recover-order", wrong: "what was missed comes in reverse", noticed: ["CSR-03", "I11"],
    install: restored(({ missedPackets }) => ({ missedPackets: [...missedPackets].reverse() })),
  },
  {
    id: "R05", name: "recover-rooms", wrong: "rooms are not restored", noticed: ["CSR-04", "I11"],
    install: restored(({ sid }) => ({ rooms: [sid] })),
  },
  {
    id: "R06", name: "recover-data", wrong: "data is not restored", noticed: ["CSR-04"],
    install: restored(() => ({ data: {} })),
  },
  {
    id: "R07", name: "recover-new-sid", wrong: "the socket comes back with another id", noticed: ["CSR-03"],
    install: restored(({ sid }) => ({ sid: [...sid].reverse().join("") })),
  },
  {
    id: "R08", name: "recover-expired", wrong: "a session is recovered after its time", noticed: ["CSR-06"],
    install: ({ SessionAwareAdapter, wrap }) =>
      wrap(SessionAwareAdapter.prototype, "restoreSession", (restore) => function (pid, offset) {
        this.maxDisconnectionDuration = Infinity;
        return restore.call(this, pid, offset);
      }),
  },
  {
    id: "R09", name: "recover-anybody", wrong: "any private id recovers somebody's session", noticed: ["CSR-06", "CSR-09"],
    install: ({ SessionAwareAdapter, wrap }) =>
      wrap(SessionAwareAdapter.prototype, "restoreSession", (restore) => function (pid, offset) {
        const [any] = this.sessions.keys();
        return restore.call(this, this.sessions.has(pid) ? pid : any, offset);
      }),
  },
  {
    id: "R11", name: "recover-left", wrong: "who left on purpose can recover", noticed: ["CSR-07"],
    install: ({ Socket, wrap }) =>
      wrap(Socket.prototype, "_onclose", (close) => function (reason, ...rest) {
        if (this.connected && this.pid && reason === "client namespace disconnect") {
          this.adapter.persistSession({ sid: this.id, pid: this.pid, rooms: [...this.rooms], data: this.data });
        }
        return close.call(this, reason, ...rest);
      }),
  },
  {
    id: "R12", name: "pid-is-sid", wrong: "the private id is the public one", noticed: ["CSR-01"],
    install: ({ Socket, wrap }) =>
      wrap(Socket.prototype, "_onconnect", (connect) => function () {
        if (this.pid) this.pid = this.id;
        return connect.call(this);
      }),
  },
  {
    id: "R13", name: "offset-missing", wrong: "events carry no offset", noticed: ["CSR-02"],
    install: ({ Adapter, wrap }) =>
      wrap(Adapter.prototype, "broadcast", (broadcast) => function (packet, opts) {
        const isKept = this.packets?.at(-1)?.data === packet.data;
        return broadcast.call(this, isKept ? { ...packet, data: packet.data.slice(0, -1) } : packet, opts);
      }),
  },
  {
    id: "R14", name: "recover-connect-first", wrong: "the CONNECT comes ahead of what was missed", noticed: ["CSR-03"],
    install: ({ PacketType, Socket, wrap }) => {
      const held = new WeakMap();
      wrap(Socket.prototype, "packet", (write) => function (packet, opts) {
        if (this.connected || packet.type !== PacketType.EVENT) return write.call(this, packet, opts);
        held.set(this, [...(held.get(this) ?? []), packet]);
      });
      wrap(Socket.prototype, "_onconnect", (connect) => function () {
        connect.call(this);
        for (const packet of held.get(this) ?? []) this.packet(packet);
      });
    },
  },
  {
    id: "R15", name: "recover-runs-middlewares", wrong: "middlewares run although they are to be skipped", noticed: ["CSR-08"],
    install: skipping(false),
  },
  {
    id: "R16", name: "pid-opens-doors", wrong: "any private id skips the middlewares", noticed: ["ADM-09"],
    install: ({ Namespace, wrap }) =>
      wrap(Namespace.prototype, "run", (run) => function (socket, done) {
        return socket.handshake.auth?.pid ? done() : run.call(this, socket, done);
      }),
  },
  {
    id: "R18", name: "fresh-inherits", wrong: "who comes fresh is put into the rooms of who went away", noticed: ["CSR-15"],
    install: ({ Socket, wrap }) =>
      wrap(Socket.prototype, "_onconnect", (connect) => function () {
        const [gone] = this.recovered ? [] : (this.adapter.sessions?.values() ?? []);
        connect.call(this);
        if (gone) this.join(gone.rooms.filter((room) => room !== gone.sid));
      }),
  },
  {
    id: "R19", name: "recover-always-skips", wrong: "middlewares are skipped on recovery although they are to run", noticed: ["CSR-08", "CSR-17"],
    install: skipping(true),
  },
  {
    id: "R20", name: "restore-misses-newest", wrong: "what is sent just ahead of a recovery is lost", noticed: ["I11"],
    install: restored(({ missedPackets }, { packets }) => {
      const fresh = new Set(packets.filter(({ emittedAt }) => emittedAt > Date.now() - 5).map(({ data }) => data));
      return { missedPackets: missedPackets.filter((data) => !fresh.has(data)) };
    }),
  },
];
