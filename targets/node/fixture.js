// The fixture: the application that every target runs, on any `Server` of socket.io. The contract is described in
// `reference-server/src/fixture`.
"use strict";

const env = process.env;
const label = env.SIO_NODE || "A";
let io;

// ---- the journal: what happened inside, for behaviour that no packet shows

const journal = { on: env.SIO_JOURNAL !== "0", seq: 0, entries: [] };

function note(kind, nsp, fields = {}) {
  if (!journal.on) return;
  journal.entries.push({ seq: ++journal.seq, kind, nsp: nsp.name, ...fields });
  if (journal.entries.length > 10_000) journal.entries.shift();
}

function watch(nsp) {
  note("namespace", nsp);
  nsp.on("side", (x, ack) => {
    note("side", nsp, { x });
    if (ack) ack(label);
  });
  if (!journal.on) return;
  for (const kind of ["create-room", "join-room", "leave-room", "delete-room"]) {
    nsp.adapter.on(kind, (room, sid) => note(kind, nsp, { room, sid }));
  }
}

// ---- the events

const list = (oneOrMany) => [].concat(oneOrMany ?? []);
const roomsOf = (socket) => [...socket.rooms].sort();
const listing = (map) => Object.fromEntries([...map].map(([key, set]) => [key, [...set].sort()]).sort());

function narrowed(operator, { to, except, compress, volatile, local }) {
  if (list(to).length) operator = operator.to(list(to));
  if (list(except).length) operator = operator.except(list(except));
  if (compress !== undefined) operator = operator.compress(compress);
  if (volatile) operator = operator.volatile;
  if (local) operator = operator.local;
  return operator;
}

function withAnswers(operator, event, args) {
  return new Promise((resolve) => {
    operator.emit(event, ...args, (error, acks) => {
      resolve(error ? { acks: acks ?? null, error: "timeout" } : { acks });
    });
  });
}

async function emit(socket, parent, request, ack) {
  const { via = "nsp", nsp, event, args = [], timeout, repeat } = request;
  const origins = {
    self: () => socket,
    socket: () => socket.broadcast,
    nsp: () => (nsp ? io.of(nsp) : socket.nsp),
    parent: () => parent,
  };
  const origin = origins[via]?.();
  if (!origin) throw new Error("unsupported");
  if (timeout !== undefined) {
    const answers = await withAnswers(narrowed(origin, request).timeout(timeout), event, args);
    if (ack) ack(answers);
    return;
  }
  for (let index = 0; index < (repeat ?? 1); index++) {
    narrowed(origin, request).emit(event, ...(repeat === undefined ? [] : [index]), ...args);
  }
  if (ack) ack({});
}

async function select(nsp, request) {
  const { op, rooms, close, x } = request;
  const those = narrowed(nsp, { ...request, to: request.in });
  switch (op) {
    case "fetch":
      return (await those.fetchSockets()).map((s) => ({ id: s.id, rooms: [...s.rooms].sort(), data: s.data }));
    case "join":
      those.socketsJoin(rooms);
      return {};
    case "leave":
      those.socketsLeave(rooms);
      return {};
    case "disconnect":
      those.disconnectSockets(Boolean(close));
      return {};
    case "side":
      return { acks: await nsp.serverSideEmitWithAck("side", x).catch((error) => error.responses) };
    default:
      throw new Error(`op ${op}; expected fetch, join, leave, disconnect or side`);
  }
}

function handlersOf(socket, handler, parent) {
  const { nsp } = socket;
  const handlers = {
    message: (args) => void socket.emit("message-back", ...args),
    "message-with-ack": (args, ack) => ack?.(...args),
    whoami: (_, ack) =>
      ack?.({
        sid: socket.id,
        nsp: nsp.name,
        handler,
        node: label,
        auth: socket.handshake.auth,
        recovered: Boolean(socket.recovered),
        transport: socket.conn.transport.name,
        rooms: roomsOf(socket),
      }),
    handshake: (_, ack) => {
      const { query, headers, xdomain } = socket.handshake;
      ack?.({ query, headers, xdomain });
    },
    join: ([rooms], ack) => {
      socket.join(list(rooms));
      ack?.(roomsOf(socket));
    },
    leave: ([rooms], ack) => {
      for (const room of list(rooms)) socket.leave(room);
      ack?.(roomsOf(socket));
    },
    emit: ([request], ack) => emit(socket, parent, request, ack),
    // What does not wait is done when `emit` returns.
    emits: async ([requests], ack) => {
      await Promise.all(requests.map((request) => emit(socket, parent, request)));
      ack?.({});
    },
    select: async ([request], ack) => {
      const result = await select(nsp, request);
      ack?.(result);
    },
    mark: ([x], ack) => {
      note("mark", nsp, { sid: socket.id, x });
      ack?.();
    },
    data: (args, ack) => {
      if (args.length > 0) socket.data = args[0];
      ack?.(socket.data);
    },
    acks: ([n], ack) => {
      for (let index = 0; index < n; index++) ack?.(index);
    },
    later: ([delay, event, ...args]) => void setTimeout(() => run(event, args), delay),
    bye: ([options]) => {
      const filler = "x".repeat(50_000);
      for (let index = 0; index < (options?.burst ?? 0); index++) socket.emit("n", index, filler);
      socket.disconnect(Boolean(options?.close));
    },
    journal: ([since], ack) => ack?.(journal.entries.filter((entry) => entry.seq > (since ?? 0))),
    adapter: (_, ack) => ack?.({ rooms: listing(nsp.adapter.rooms), sids: listing(nsp.adapter.sids) }),
  };
  // Handlers that do not wait run at once, so that the effects of one connection's events keep their order.
  function run(event, args, ack) {
    try {
      Promise.resolve(handlers[event]?.(args, ack)).catch((error) => ack?.({ error: error.message }));
    } catch (error) {
      ack?.({ error: error.message });
    }
  }
  return { names: Object.keys(handlers), run };
}

// Takes the events of a socket: by itself, unless a framework does.
let listen = (socket, names, run) => {
  for (const event of names) {
    socket.on(event, (...args) => {
      const ack = typeof args.at(-1) === "function" ? args.pop() : undefined;
      run(event, args, ack);
    });
  }
};

function install(nsp, handler, parent) {
  nsp.on("connection", (socket) => {
    const here = socket.nsp;
    note("connect", here, { sid: socket.id, handler });
    // Versions ahead of 4.0 have no data.
    (socket.data ??= {}).node = label;
    socket.use((event, next) => {
      if (String(event[0]).startsWith("blocked")) return next(new Error("blocked"));
      if (event[0] === "wrap") event[0] = "message";
      next();
    });
    socket.on("error", (error) => note("error", here, { sid: socket.id, message: error.message }));
    for (const kind of ["disconnecting", "disconnect"]) {
      socket.on(kind, (reason) => note(kind, here, { sid: socket.id, reason, rooms: roomsOf(socket) }));
    }
    const { names, run } = handlersOf(socket, handler, parent);
    listen(socket, names, run);
    socket.emit("auth", socket.handshake.auth);
  });
  return nsp;
}

const refusal = (message, data) => Object.assign(new Error(message), data && { data });

function installParent(matcher, handler) {
  const parent = io.of(matcher);
  parent.use((socket, next) => next(socket.handshake.auth?.refuse ? refusal("refused") : undefined));
  install(parent, handler, parent);
}

// ---- the namespaces, in the order of the contract

module.exports = (server, listening = listen) => {
  io = server;
  listen = listening;
  io.on("new_namespace", watch);
  watch(io.of("/"));

  for (const name of ["/", "/custom", "/dynamic-101"]) install(io.of(name), "static");

  io.of("/deny").use((_, next) => next(refusal("denied", { code: "E_DENIED" })));

  install(io.of("/slow"), "static").use((socket, next) => {
    setTimeout(() => next(socket.handshake.auth.refuse ? refusal("refused") : undefined), 300);
  });

  const chain = install(io.of("/chain"), "static");
  for (const n of [1, 2, 3]) {
    chain.use((socket, next) => {
      note("mw", chain, { n });
      socket.join("mw-room");
      next(socket.handshake.auth.fail === n ? refusal(`fail-${n}`) : undefined);
    });
  }

  installParent(/^\/dynamic-\d+$/, "dynamic");
  installParent(/^\/dynamic-2\d+$/, "dynamic2");
  installParent((name, auth, next) => {
    const decide = () => next(null, name.startsWith("/fn-") && auth.token === "ok");
    if (auth.wait) setTimeout(decide, auth.wait);
    else decide();
  }, "fn");
};
module.exports.listen = listen;
