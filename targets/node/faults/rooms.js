// Rooms, broadcasts and what they are made with.
"use strict";

const later = (milliseconds, work) => void setTimeout(work, milliseconds);
const isOwn = (id, rooms) => rooms.size === 1 && rooms.has(id);

// Names of rooms under which `change` finds them; ids of sockets stay what they are.
function renamed({ Adapter, BroadcastOperator, wrap }, change) {
  const name = (adapter, room) => (typeof room === "string" && !adapter.sids.has(room) ? change(room) : room);
  wrap(Adapter.prototype, "addAll", (addAll) => function (id, rooms) {
    return addAll.call(this, id, new Set([...rooms].map((room) => (room === id ? room : name(this, room)))));
  });
  wrap(Adapter.prototype, "del", (del) => function (id, room) {
    return del.call(this, id, name(this, room));
  });
  for (const verb of ["to", "except"]) {
    wrap(BroadcastOperator.prototype, verb, (before) => function (rooms) {
      return before.call(this, [].concat(rooms).map((room) => name(this.adapter, room)));
    });
  }
}

// Events of the adapter, passed on so often.
const told = (kind, times) => ({ Adapter }) => {
  const { emit } = Adapter.prototype;
  Adapter.prototype.emit = function (event, ...args) {
    for (let time = event === kind ? times : 1; time > 0; time--) emit.call(this, event, ...args);
    return true;
  };
};

// What fetchSockets and its like work on.
const selected = (change) => ({ Adapter, wrap }) => {
  for (const verb of ["fetchSockets", "addSockets", "delSockets", "disconnectSockets"]) {
    wrap(Adapter.prototype, verb, (before) => function (opts, ...rest) {
      return before.call(this, change(opts), ...rest);
    });
  }
};

module.exports = [
  {
    id: "B01", name: "union-dup", wrong: "a socket in two of the targeted rooms receives twice", noticed: ["RM-03", "I1"],
    install: ({ Adapter, wrap }) =>
      wrap(Adapter.prototype, "apply", (apply) => function (opts, callback) {
        if (opts.rooms.size < 2) return apply.call(this, opts, callback);
        for (const room of opts.rooms) apply.call(this, { ...opts, rooms: new Set([room]) }, callback);
      }),
  },
  {
    id: "B02", name: "union-first-only", wrong: "only the first room of a union is served", noticed: ["RM-03", "I6"],
    install: ({ broadcasts }) => broadcasts((opts) => ({ ...opts, rooms: new Set([...opts.rooms].slice(0, 1)) })),
  },
  {
    id: "B03", name: "union-intersect", wrong: "a union is taken for an intersection", noticed: ["RM-03", "I6"],
    install: ({ recipients }) =>
      recipients((found, { rooms }) => found.filter((socket) => [...rooms].every((room) => socket.rooms.has(room)))),
  },
  {
    id: "B04", name: "everybody-nobody", wrong: "a broadcast without rooms reaches nobody", noticed: ["RM-09", "I6"],
    install: ({ broadcasts }) => broadcasts((opts) => opts.rooms.size > 0 && opts),
  },
  {
    id: "B05", name: "sender-included", wrong: "socket.to reaches its sender", noticed: ["RM-06", "I2"],
    install: ({ Socket, wrap }) =>
      wrap(Socket.prototype, "newBroadcastOperator", (before) => function () {
        const operator = before.call(this);
        operator.exceptRooms.clear();
        return operator;
      }),
  },
  {
    id: "B06", name: "senders-room-excluded", wrong: "whoever shares a room with the sender is excluded with it", noticed: ["RM-06", "I6"],
    install: ({ Socket, wrap }) =>
      wrap(Socket.prototype, "newBroadcastOperator", (before) => function () {
        return before.call(this).except([...this.rooms]);
      }),
  },
  {
    id: "B07", name: "except-ignored", wrong: "except has no effect", noticed: ["RM-05", "I3"],
    install: ({ BroadcastOperator }) => {
      BroadcastOperator.prototype.except = function () {
        return this;
      };
    },
  },
  {
    id: "B08", name: "except-first-only", wrong: "only the first excepted room counts", noticed: ["RM-05", "I3"],
    install: ({ BroadcastOperator, wrap }) =>
      wrap(BroadcastOperator.prototype, "except", (except) => function (rooms) {
        return except.call(this, [].concat(rooms).slice(0, 1));
      }),
  },
  {
    id: "B09", name: "except-sids-only", wrong: "except takes ids of sockets and no rooms", noticed: ["RM-05", "I3"],
    install: ({ BroadcastOperator, wrap }) =>
      wrap(BroadcastOperator.prototype, "except", (except) => function (rooms) {
        return except.call(this, [].concat(rooms).filter((room) => this.adapter.sids.has(room)));
      }),
  },
  {
    id: "B10", name: "except-rooms-only", wrong: "except takes rooms and no ids of sockets", noticed: ["RM-05", "I3"],
    install: ({ BroadcastOperator, wrap }) =>
      wrap(BroadcastOperator.prototype, "except", (except) => function (rooms) {
        return except.call(this, [].concat(rooms).filter((room) => !this.adapter.sids.has(room)));
      }),
  },
  {
    id: "B12", name: "operator-leak", wrong: "the rooms of one broadcast are added to the next", noticed: ["RM-20", "I3"],
    install: ({ broadcasts }) => {
      const before = new WeakMap();
      broadcasts((opts, adapter) => {
        const leaked = before.get(adapter) ?? [];
        before.set(adapter, [...opts.rooms]);
        return opts.rooms.size > 0 ? { ...opts, rooms: new Set([...opts.rooms, ...leaked]) } : opts;
      });
    },
  },
  {
    id: "B13", name: "nsp-leak", wrong: "a broadcast reaches the same room in other namespaces", noticed: ["RM-10", "I4"],
    install: ({ Adapter, wrap }) =>
      wrap(Adapter.prototype, "broadcast", (broadcast) => function (packet, opts) {
        broadcast.call(this, packet, opts);
        if (opts.rooms.size === 0) return;
        for (const { adapter } of this.nsp.server._nsps.values()) {
          if (adapter !== this) broadcast.call(adapter, { ...packet }, opts);
        }
      }),
  },
  {
    id: "B15", name: "last-member-missed", wrong: "the last of several recipients is left out", noticed: ["RM-01", "I6"],
    install: ({ recipients }) => recipients((found) => (found.length > 1 ? found.slice(0, -1) : found)),
  },
  {
    id: "B16", name: "empty-room-everybody", wrong: "a broadcast to an empty room reaches everybody", noticed: ["RM-18", "I3"],
    install: ({ broadcasts }) =>
      broadcasts((opts, adapter) =>
        [...opts.rooms].some((room) => adapter.rooms.has(room)) ? opts : { ...opts, rooms: new Set() }),
  },
  {
    id: "B17", name: "join-noop", wrong: "a join is acknowledged and not done", noticed: ["RM-01", "I6"],
    install: ({ Adapter, wrap }) =>
      wrap(Adapter.prototype, "addAll", (addAll) => function (id, rooms) {
        return addAll.call(this, id, new Set(rooms.has(id) ? [id] : []));
      }),
  },
  {
    id: "B18", name: "join-late", wrong: "a join takes effect after its acknowledgement", noticed: ["RM-01", "I6"],
    install: ({ Adapter, wrap }) =>
      wrap(Adapter.prototype, "addAll", (addAll) => function (id, rooms) {
        if (isOwn(id, rooms)) return addAll.call(this, id, rooms);
        later(30, () => this.sids.has(id) && addAll.call(this, id, rooms));
      }),
  },
  {
    id: "B19", name: "join-first-only", wrong: "of several rooms in one join only the first is joined", noticed: ["RM-13", "I6"],
    install: ({ Adapter, wrap }) =>
      wrap(Adapter.prototype, "addAll", (addAll) => function (id, rooms) {
        return addAll.call(this, id, new Set([...rooms].slice(0, 1)));
      }),
  },
  {
    id: "B20", name: "join-replaces", wrong: "a join leaves the rooms that were joined before", noticed: ["RM-01", "I6"],
    install: ({ Adapter, wrap }) =>
      wrap(Adapter.prototype, "addAll", (addAll) => function (id, rooms) {
        for (const room of this.sids.get(id) ?? []) if (room !== id && !rooms.has(room)) this.del(id, room);
        return addAll.call(this, id, rooms);
      }),
  },
  {
    id: "B21", name: "leave-noop", wrong: "a leave is acknowledged and not done", noticed: ["RM-02", "I3"],
    install: ({ Adapter }) => {
      Adapter.prototype.del = () => {};
    },
  },
  {
    id: "B22", name: "leave-late", wrong: "a leave takes effect after its acknowledgement", noticed: ["RM-02", "I3"],
    install: ({ Adapter, wrap }) =>
      wrap(Adapter.prototype, "del", (del) => function (id, room) {
        later(30, () => del.call(this, id, room));
      }),
  },
  {
    id: "B23", name: "leave-all", wrong: "leaving one room leaves all", noticed: ["RM-02", "I6"],
    install: ({ Adapter, wrap }) =>
      wrap(Adapter.prototype, "del", (del) => function (id) {
        for (const room of this.sids.get(id) ?? []) if (room !== id) del.call(this, id, room);
      }),
  },
  {
    id: "B24", name: "rooms-not-cleaned", wrong: "a disconnect leaves memberships behind", noticed: ["RM-14", "I14"],
    install: ({ Adapter }) => {
      Adapter.prototype.delAll = () => {};
    },
  },
  {
    id: "B25", name: "empty-room-kept", wrong: "a room stays when its last member leaves", noticed: ["RM-14", "I14"],
    install: ({ Adapter }) => {
      Adapter.prototype._del = function (room, id) {
        if (this.rooms.get(room)?.delete(id)) this.emit("leave-room", room, id);
      };
    },
  },
  {
    id: "B26", name: "own-room-missing", wrong: "a socket is not in the room named like its id", noticed: ["RM-08", "I8"],
    install: ({ Adapter, wrap }) =>
      wrap(Adapter.prototype, "addAll", (addAll) => function (id, rooms) {
        return addAll.call(this, id, new Set([...rooms].filter((room) => room !== id)));
      }),
  },
  {
    id: "B29", name: "reorder", wrong: "a broadcast is overtaken by what is sent after it", noticed: ["ORD-02", "ORD-08", "I5"],
    install: ({ Adapter, each, wrap }) => {
      const strikes = each(10);
      wrap(Adapter.prototype, "broadcast", (broadcast) => function (packet, opts) {
        if (strikes()) later(10, () => broadcast.call(this, packet, opts));
        else broadcast.call(this, packet, opts);
      });
    },
  },
  {
    id: "B33", name: "rooms-fold-case", wrong: "names of rooms that differ in case are one room", noticed: ["RM-19", "I3"],
    install: (kit) => renamed(kit, (room) => room.toLowerCase()),
  },
  {
    id: "B34", name: "rooms-trimmed", wrong: "names of rooms lose white space at their ends", noticed: ["RM-19", "I3"],
    install: (kit) => renamed(kit, (room) => room.trim()),
  },
  {
    id: "B35", name: "create-untold", wrong: "the adapter does not tell of new rooms", noticed: ["AE-01", "AE-02", "I14"],
    install: told("create-room", 0),
  },
  {
    id: "B37", name: "leave-untold", wrong: "the adapter does not tell of leaves", noticed: ["AE-03", "I14"],
    install: told("leave-room", 0),
  },
  {
    id: "B38", name: "delete-untold", wrong: "the adapter does not tell of rooms that end", noticed: ["AE-03", "I14"],
    install: told("delete-room", 0),
  },
  {
    id: "B39", name: "join-told-twice", wrong: "the adapter tells of a join twice", noticed: ["AE-02", "I14"],
    install: told("join-room", 2),
  },
  {
    id: "B40", name: "select-twice", wrong: "fetchSockets lists sockets twice", noticed: ["UT-01", "I17"],
    install: ({ Adapter, wrap }) =>
      wrap(Adapter.prototype, "fetchSockets", (fetch) => async function (opts) {
        const found = await fetch.call(this, opts);
        return [...found, ...found];
      }),
  },
  {
    id: "B41", name: "select-misses-one", wrong: "fetchSockets leaves one socket out", noticed: ["UT-01", "I17"],
    install: ({ Adapter, wrap }) =>
      wrap(Adapter.prototype, "fetchSockets", (fetch) => async function (opts) {
        return (await fetch.call(this, opts)).slice(1);
      }),
  },
  {
    id: "B42", name: "select-all", wrong: "fetchSockets and its like ignore the rooms", noticed: ["UT-01", "UT-03", "UT-04", "I17"],
    install: selected((opts) => ({ ...opts, rooms: new Set() })),
  },
  {
    id: "B43", name: "select-ignores-except", wrong: "fetchSockets and its like ignore exceptions", noticed: ["UT-01", "MD-11", "I17"],
    install: selected((opts) => ({ ...opts, except: new Set() })),
  },
  {
    id: "B44", name: "volatile-reliable", wrong: "volatile events are kept like the others", noticed: ["MD-02"],
    install: ({ Client, wrap }) =>
      wrap(Client.prototype, "writeToEngine", (write) => function (packets, opts) {
        return write.call(this, packets, { ...opts, volatile: false });
      }),
  },
  {
    id: "B45", name: "volatile-never", wrong: "volatile events are always lost", noticed: ["MD-01", "I13"],
    install: ({ Client, wrap }) =>
      wrap(Client.prototype, "writeToEngine", (write) => function (packets, opts) {
        if (!opts.volatile) return write.call(this, packets, opts);
      }),
  },
  {
    id: "B46", name: "volatile-twice", wrong: "volatile events are sent twice", noticed: ["MD-01", "I1"],
    install: ({ Client, wrap }) =>
      wrap(Client.prototype, "writeToEngine", (write) => function (packets, opts) {
        const isSent = opts.volatile && this.conn.transport.writable;
        write.call(this, packets, opts);
        if (isSent) write.call(this, packets, { ...opts, volatile: false });
      }),
  },
  {
    id: "B47", name: "local-nobody", wrong: "a broadcast that stays on this node reaches nobody", noticed: ["MD-05", "I6"],
    install: ({ broadcasts }) => broadcasts((opts) => !opts.flags?.local && opts),
  },
  {
    id: "B49", name: "join-after-disconnect", wrong: "a late join puts a dead socket back", noticed: ["RM-15", "I14"],
    install: ({ Socket }) => {
      Socket.prototype._cleanup = function () {
        this.leaveAll();
        this.nsp._remove(this);
      };
    },
  },
  {
    id: "B50", name: "many-overtaken", wrong: "broadcasts to a whole namespace are overtaken by what is sent after them", noticed: ["ORD-08", "I5"],
    install: ({ Adapter, wrap }) =>
      wrap(Adapter.prototype, "broadcast", (broadcast) => function (packet, opts) {
        if (opts.rooms.size === 0) later(10, () => broadcast.call(this, packet, opts));
        else broadcast.call(this, packet, opts);
      }),
  },
];
