// Drives one of the official clients against a server with the fixture, in Node.js and in a browser. Says a line per
// check: `ok NAME`, or `FAIL NAME: why`.
//
//   node check.js VERSION URL [msgpack]
//   check({ io, version, url, parser, say })
"use strict";

async function check({ io, version, url, parser, say }) {
  const old = version === "2";
  const recovers = version === "4" && !parser;
  const open = [];

  const assert = {
    equal(found, expected) {
      if (!Object.is(found, expected)) throw new Error(`${found} instead of ${expected}`);
    },
    notEqual(found, other) {
      if (Object.is(found, other)) throw new Error(`${found} again`);
    },
    deepEqual(found, expected) {
      assert.equal(JSON.stringify(found), JSON.stringify(expected));
    },
  };

  // Bytes as each client takes and gives them: an ArrayBuffer, or a Buffer.
  const bytes = (...numbers) => new Uint8Array(numbers).buffer;
  const numbers = (some) => Array.from(some instanceof ArrayBuffer ? new Uint8Array(some) : some);

  function client(nsp, transports, options = {}) {
    const socket = io(url + nsp, { transports, forceNew: true, reconnectionDelay: 20, ...(parser && { parser }), ...options });
    open.push(socket);
    // The fixture greets: the listener must be there before the greeting is.
    socket.greeting = event(socket, "auth");
    return socket;
  }

  function within(what, promise) {
    let timer;
    const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error(`no ${what} in time`)), 5_000)));
    return Promise.race([promise, late]).finally(() => clearTimeout(timer));
  }

  function event(emitter, name) {
    return within(name, new Promise((resolve) => emitter.once(name, (...args) => resolve(args))));
  }

  const ask = (socket, name, ...args) =>
    within(`answer to ${name}`, new Promise((resolve) => socket.emit(name, ...args, (...answer) => resolve(answer))));

  async function connected(nsp, transports, options) {
    const socket = client(nsp, transports, options);
    await event(socket, "connect");
    await socket.greeting;
    return socket;
  }

  const checks = {
    async connect(transports) {
      const socket = await connected("/", transports);
      const [me] = await ask(socket, "whoami");
      assert.equal(me.sid, socket.id);
      assert.equal(me.handler, "static");
    },

    async auth(transports) {
      const socket = client("/custom", transports, old ? { query: { token: "abc" } } : { auth: { token: "abc" } });
      const [auth] = await socket.greeting;
      assert.equal(auth.token, "abc");
    },

    async acks(transports) {
      const socket = await connected("/", transports);
      assert.deepEqual(await ask(socket, "message-with-ack", 1, "2", { 3: [false] }), [1, "2", { 3: [false] }]);
      assert.deepEqual(await ask(socket, "message-with-ack"), []);
      socket.on("question", (n, answer) => answer(n + 1));
      const [asked] = await ask(socket, "emit", { via: "self", event: "question", args: [41], timeout: 3_000 });
      assert.deepEqual(asked, { acks: 42 });
    },

    async binary(transports) {
      const socket = await connected("/", transports);
      const some = [0, 1, 2, 254, 255];
      const back = event(socket, "message-back");
      socket.emit("message", bytes(...some), { nested: [bytes(...some), bytes()] }, "é🙂");
      const [first, second, third] = await back;
      assert.deepEqual(numbers(first), some);
      assert.deepEqual(numbers(second.nested[0]), some);
      assert.deepEqual(numbers(second.nested[1]), []);
      assert.equal(third, "é🙂");
      const [answer] = await ask(socket, "message-with-ack", bytes(...some));
      assert.deepEqual(numbers(answer), some);
    },

    async rooms(transports) {
      const [a, b, c] = await Promise.all([1, 2, 3].map(() => connected("/", transports)));
      await ask(a, "join", ["red", "blue"]);
      await ask(b, "join", ["red", "blue"]);
      const got = { a: [], b: [], c: [] };
      for (const [name, socket] of Object.entries({ a, b, c })) socket.on("tell", (x) => got[name].push(x));
      await ask(a, "emit", { via: "socket", to: ["red", "blue"], event: "tell", args: ["others"] });
      await ask(a, "emit", { to: "red", event: "tell", args: ["all"] });
      await Promise.all([a, b, c].map((socket) => ask(socket, "message-with-ack")));
      assert.deepEqual(got, { a: ["all"], b: ["others", "all"], c: [] });
    },

    async namespaces(transports) {
      const socket = await connected("/dynamic-7", transports);
      const [me] = await ask(socket, "whoami");
      assert.equal(me.nsp, "/dynamic-7");
      const refused = client("/nowhere", transports);
      const [error] = await event(refused, old ? "error" : "connect_error");
      assert.equal(old ? error : error.message, "Invalid namespace");
      const denied = client("/deny", transports);
      const [why] = await event(denied, old ? "error" : "connect_error");
      assert.deepEqual(old ? why : why.data, { code: "E_DENIED" });
    },

    async volatile(transports) {
      const socket = await connected("/", transports);
      const got = event(socket, "now");
      // Over polling it is delivered only while a GET waits, so it is tried until one does.
      const again = setInterval(() => socket.emit("emit", { via: "self", volatile: true, event: "now", args: [1] }), 100);
      try {
        assert.deepEqual(await got, [1]);
      } finally {
        clearInterval(again);
      }
    },

    async reconnect(transports) {
      const socket = await connected("/custom", transports);
      const before = socket.id;
      const greeting = event(socket, "auth");
      socket.io.engine.close();
      await event(socket, "connect");
      await greeting;
      assert.deepEqual(await ask(socket, "message-with-ack", 1), [1]);
      if (recovers) assert.equal(socket.id, before);
      else assert.notEqual(socket.id, before);
    },

    async bye(transports) {
      const socket = await connected("/", transports);
      const reason = event(socket, "disconnect");
      socket.emit("bye", { close: true });
      assert.equal((await reason)[0], "io server disconnect");
    },
  };

  async function upgrade() {
    const socket = client("/", ["polling", "websocket"]);
    await event(socket, "connect");
    if (socket.io.engine.transport.name !== "websocket") await event(socket.io.engine, "upgrade");
    assert.equal(socket.io.engine.transport.name, "websocket");
    assert.deepEqual(await ask(socket, "message-with-ack", "after"), ["after"]);
    const [me] = await ask(socket, "whoami");
    assert.equal(me.transport, "websocket");
  }

  async function recovery() {
    const speaker = await connected("/", ["websocket"]);
    const socket = await connected("/", ["websocket"]);
    await ask(socket, "join", "red");
    const before = socket.id;
    const got = [];
    socket.on("tell", (n) => got.push(n));
    await ask(speaker, "emit", { to: "red", event: "tell", args: [0] });
    socket.io.engine.close();
    for (let n = 1; n <= 20; n++) await ask(speaker, "emit", { to: "red", event: "tell", args: [n] });
    if (!socket.connected) await event(socket, "connect");
    await ask(speaker, "emit", { to: "red", event: "tell", args: [21] });
    await ask(socket, "message-with-ack");
    assert.equal(socket.recovered, true);
    assert.equal(socket.id, before);
    assert.deepEqual(got, Array.from({ length: 22 }, (_, n) => n));
  }

  async function run(name, one) {
    try {
      await one();
      say(`ok ${name}`);
    } catch (error) {
      say(`FAIL ${name}: ${error.message.split("\n").join(" ")}`);
    } finally {
      for (const socket of open.splice(0)) socket.close();
    }
  }

  for (const transport of ["websocket", "polling"]) {
    for (const [name, one] of Object.entries(checks)) await run(`${name} ${transport}`, () => one([transport]));
  }
  await run("upgrade", upgrade);
  if (recovers) await run("recovery", recovery);
}

if (typeof module !== "undefined") {
  const [version, url, parserName] = process.argv.slice(2);
  const parser = parserName === "msgpack" ? require("socket.io-msgpack-parser") : undefined;
  check({ io: require(`client-${version}`), version, url, parser, say: console.log }).then(() => process.exit(0));
}
