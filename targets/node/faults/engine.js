// Sessions, transports, upgrades and heartbeats.
"use strict";

// What becomes of the open packet.
const opened = (change) => ({ Session, wrap }) =>
  wrap(Session.prototype, "sendPacket", (send) => function (type, data, ...rest) {
    const said = type === "open" ? JSON.stringify(change(JSON.parse(data), this)) : data;
    return send.call(this, type, said, ...rest);
  });

// What is done in the instant in which a session takes its WebSocket.
const upgraded = (change) => ({ Session, wrap }) =>
  wrap(Session.prototype, "setTransport", (set) => function (transport) {
    if (this.transport) change(this, transport);
    return set.call(this, transport);
  });

// What is done with a WebSocket that wants to take a session over.
const probing = (change) => ({ Session, wrap }) =>
  wrap(Session.prototype, "_maybeUpgrade", (upgrade) => function (transport) {
    change(this, transport);
    return upgrade.call(this, transport);
  });

// What is done with a packet of the engine; `change` returns true if it has dealt with it.
const received = (change) => ({ Session, wrap }) =>
  wrap(Session.prototype, "onPacket", (receive) => function (packet) {
    if (!change(this, packet, receive)) return receive.call(this, packet);
  });

// The answer to a probe.
const answered = (answer) =>
  probing((_, transport) => {
    const { send } = transport;
    transport.send = function (packets) {
      return send.call(this, packets.map((packet) => (packet.type === "pong" ? answer : packet)));
    };
  });

const isPong = (session, { type }) => session.protocol === 4 && session.pingTimeoutTimer !== null && type === "message";
const pong = (session, receive) => receive.call(session, { type: "pong" });

module.exports = [
  {
    id: "E01", name: "upgrade-loss", wrong: "what is queued at the upgrade is lost", noticed: ["EIO-UP-05", "EIO-UP-14", "I6"],
    install: upgraded((session) => void (session.writeBuffer = [])),
  },
  {
    id: "E02", name: "upgrade-order", wrong: "what is queued at the upgrade comes in reverse", noticed: ["EIO-UP-14", "I5"],
    install: upgraded((session) => void session.writeBuffer.reverse()),
  },
  {
    id: "E03", name: "upgrade-no-noop", wrong: "a GET that is open at the probe is not released", noticed: ["EIO-UP-02"],
    install: ({ Polling, Session, wrap }) => {
      const probed = new WeakSet();
      wrap(Session.prototype, "_maybeUpgrade", (upgrade) => function (transport) {
        probed.add(this.transport);
        return upgrade.call(this, transport);
      });
      wrap(Polling.prototype, "send", (send) => function (packets) {
        const isNoop = packets.length === 1 && packets[0].type === "noop";
        if (!isNoop || !probed.has(this) || this.readyState !== "open") return send.call(this, packets);
      });
    },
  },
  {
    id: "E04", name: "probe-unanswered", wrong: "a probe is answered with a noop", noticed: ["EIO-UP-01"],
    install: answered({ type: "noop" }),
  },
  {
    id: "E05", name: "probe-answer-wrong", wrong: "a probe is answered without its word", noticed: ["EIO-UP-01"],
    install: answered({ type: "pong" }),
  },
  {
    id: "E06", name: "probe-any", wrong: "any ping is taken for a probe", noticed: ["EIO-UP-10"],
    install: probing((_, transport) => {
      const { onPacket } = transport;
      transport.onPacket = function (packet) {
        return onPacket.call(this, packet.type === "ping" ? { ...packet, data: "probe" } : packet);
      };
    }),
  },
  {
    id: "E08", name: "probe-never-expires", wrong: "a probe may take any time", noticed: ["EIO-UP-09"],
    install: ({ options }) => options((opts) => void (opts.upgradeTimeout = 1_000_000_000)),
  },
  {
    id: "E09", name: "probe-loss-closes", wrong: "a probing WebSocket that is lost takes the session along", noticed: ["EIO-UP-12"],
    install: probing((session, transport) => void transport.once("close", () => session.upgraded || session.onClose("transport close"))),
  },
  {
    id: "E10", name: "upgrade-twice", wrong: "an upgraded session takes another WebSocket", noticed: ["EIO-UP-07", "EIO-UP-08"],
    install: upgraded((session) => void (session.upgraded = false)),
  },
  {
    id: "E11", name: "noop-after-upgrade", wrong: "a noop is sent on the WebSocket after the upgrade", noticed: ["EIO-UP-15"],
    install: upgraded((session) => process.nextTick(() => session.sendPacket("noop"))),
  },
  {
    id: "E12", name: "pong-anything", wrong: "any packet counts as a pong", noticed: ["EIO-HB-07"],
    install: received((session, packet, receive) => void (isPong(session, packet) && pong(session, receive))),
  },
  {
    id: "E13", name: "pong-ignored", wrong: "pongs are ignored", noticed: ["EIO-HB-02"],
    install: received((_, { type }) => type === "pong"),
  },
  {
    id: "E14", name: "ping-never", wrong: "there are no pings", noticed: ["EIO-HB-02"],
    install: ({ Session }) => {
      Session.prototype.schedulePing = () => {};
    },
  },
  {
    id: "E15", name: "ping-timeout-never", wrong: "a peer that is silent is never closed", noticed: ["EIO-HB-04"],
    install: ({ Session }) => {
      Session.prototype.resetPingTimeout = () => {};
    },
  },
  {
    id: "E16", name: "ping-with-data", wrong: "pings carry a payload", noticed: ["EIO-HB-02"],
    install: ({ Session, wrap }) =>
      wrap(Session.prototype, "sendPacket", (send) => function (type, data, ...rest) {
        return send.call(this, type, type === "ping" ? "x" : data, ...rest);
      }),
  },
  {
    id: "E17", name: "client-ping-answered", wrong: "a ping of a client is answered", noticed: ["EIO-HB-08"],
    install: received((session, { type, data }) => {
      if (type === "ping") session.sendPacket("pong", data);
      return type === "ping";
    }),
  },
  {
    id: "E18", name: "pong-pings", wrong: "a pong that nobody asked for brings a ping", noticed: ["EIO-HB-09"],
    install: received((session, { type }) => {
      const isUnasked = type === "pong" && session.pingTimeoutTimer === null;
      if (isUnasked) session.sendPacket("ping");
      return isUnasked;
    }),
  },
  {
    id: "E19", name: "ping-hurried", wrong: "pings come at half the interval that was announced", noticed: ["EIO-HB-03", "EIO-HB-01"],
    install: opened((said, session) => {
      session.server.opts.pingInterval = said.pingInterval / 2;
      session.server.announced ??= said.pingInterval;
      return { ...said, pingInterval: session.server.announced };
    }),
  },
  {
    id: "E20", name: "ping-timeout-hurried", wrong: "a client has a tenth of the time for its pong", noticed: ["EIO-HB-04", "EIO-HB-05"],
    install: ({ Session, wrap }) =>
      wrap(Session.prototype, "resetPingTimeout", (reset) => function () {
        const { opts } = this.server;
        const { pingTimeout } = opts;
        opts.pingTimeout = pingTimeout / 10;
        reset.call(this);
        opts.pingTimeout = pingTimeout;
      }),
  },
  {
    id: "E21", name: "two-gets", wrong: "a second GET is refused and the session goes on", noticed: ["EIO-PL-08"],
    install: ({ Polling, wrap }) =>
      wrap(Polling.prototype, "onPollRequest", (poll) => function (req, res) {
        return this.req ? res.writeHead(400).end() : poll.call(this, req, res);
      }),
  },
  {
    id: "E22", name: "two-posts", wrong: "a second POST is refused and the session goes on", noticed: ["EIO-PL-09"],
    install: ({ Polling, wrap }) =>
      wrap(Polling.prototype, "onDataRequest", (post) => function (req, res) {
        return this.dataReq ? res.writeHead(400).end() : post.call(this, req, res);
      }),
  },
  {
    id: "E23", name: "get-abort-kept", wrong: "a GET that is dropped leaves the session alone", noticed: ["EIO-PL-10"],
    install: ({ Polling, wrap }) =>
      wrap(Polling.prototype, "onPollRequest", (poll) => function (req, res) {
        poll.call(this, req, res);
        if (this.req !== req) return;
        req.removeAllListeners("close");
        req.on("close", () => {
          if (this.req !== req) return;
          this.req = this.res = null;
          this.writable = false;
        });
      }),
  },
  {
    id: "E25", name: "base64-prefix", wrong: "binary over polling is written behind a B", noticed: ["EIO-PL-04"],
    install: ({ parser }) =>
      parser(({ encodePayload }) => ({
        encodePayload: (packets, done) => encodePayload(packets, (said) => done(said.replace(/(^|\x1e)b/g, "$1B"))),
      })),
  },
  {
    id: "E26", name: "base64-unpadded", wrong: "base64 is written without padding", noticed: ["EIO-PL-05"],
    install: ({ parser }) =>
      parser(({ encodePayload }) => ({
        encodePayload: (packets, done) => encodePayload(packets, (said) => done(said.replace(/=+(\x1e|$)/g, "$1"))),
      })),
  },
  {
    id: "E27", name: "polling-reversed", wrong: "packets of one GET come in reverse", noticed: ["EIO-PL-03", "I5"],
    install: ({ parser }) =>
      parser(({ encodePayload }) => ({
        encodePayload: (packets, done) => encodePayload(packets[0]?.type === "open" ? packets : [...packets].reverse(), done),
      })),
  },
  {
    id: "E28", name: "close-drops-queue", wrong: "what is queued at a disconnect is dropped", noticed: ["EIO-CL-04", "EIO-CL-03"],
    install: ({ Session, wrap }) =>
      wrap(Session.prototype, "close", (close) => function (discard) {
        this.writeBuffer = [];
        return close.call(this, discard);
      }),
  },
  {
    id: "E29", name: "close-ignored", wrong: "a close packet is ignored", noticed: ["EIO-CL-02"],
    install: ({ parser }) =>
      parser(({ decodePayload }) => ({
        decodePayload: (said) => decodePayload(said).filter(({ type }) => type !== "close"),
      })),
  },
  {
    id: "E30", name: "open-no-max-payload", wrong: "the open packet does not say maxPayload", noticed: ["EIO-HS-02"],
    install: opened(({ maxPayload, ...said }) => said),
  },
  {
    id: "E31", name: "open-no-upgrades", wrong: "the open packet offers no upgrade", noticed: ["EIO-HS-03"],
    install: opened((said) => ({ ...said, upgrades: [] })),
  },
  {
    id: "E32", name: "open-upgrades-always", wrong: "the open packet offers an upgrade over WebSocket", noticed: ["EIO-HS-04"],
    install: opened((said) => ({ ...said, upgrades: ["websocket"] })),
  },
  {
    id: "E33", name: "interval-in-seconds", wrong: "the open packet gives the interval in seconds", noticed: ["EIO-HS-02"],
    install: opened((said) => ({ ...said, pingInterval: Math.trunc(said.pingInterval / 1_000) })),
  },
  {
    id: "E34", name: "max-payload-ignored", wrong: "a body may be larger than maxPayload", noticed: ["EIO-HS-20", "EIO-PL-12"],
    install: ({ Polling, wrap }) =>
      wrap(Polling.prototype, "onDataRequest", (post) => function (req, res) {
        this.maxHttpBufferSize = Infinity;
        return post.call(this, req, res);
      }),
  },
  {
    id: "E35", name: "max-payload-tight", wrong: "a body of exactly maxPayload is refused", noticed: ["EIO-HS-20"],
    install: ({ Polling, wrap }) =>
      wrap(Polling.prototype, "onDataRequest", (post) => function (req, res) {
        this.isTight ??= --this.maxHttpBufferSize;
        return post.call(this, req, res);
      }),
  },
  {
    id: "E36", name: "connect-timeout-never", wrong: "a connection that joins nothing stays open", noticed: ["SIO-CN-12"],
    install: ({ Client, wrap }) =>
      wrap(Client.prototype, "setup", (setup) => function () {
        setup.call(this);
        clearTimeout(this.connectTimeout);
      }),
  },
  {
    id: "E40", name: "binary-prefixed", wrong: "binary frames begin with a 4", noticed: ["EIO-WS-02"],
    install: ({ parser }) =>
      parser(({ encodePacket }) => ({
        encodePacket: (packet, supportsBinary, done) =>
          encodePacket(packet, supportsBinary, (said) =>
            done(typeof said === "string" ? said : Buffer.concat([Buffer.from([4]), Buffer.from(said)]))),
      })),
  },
  {
    id: "E41", name: "sending-is-pong", wrong: "whatever the server sends counts as a pong", noticed: ["EIO-HB-12"],
    install: ({ Session, wrap }) =>
      wrap(Session.prototype, "sendPacket", (send) => function (type, ...rest) {
        if (type === "message" && this.protocol === 4 && this.pingTimeoutTimer) this.onPacket({ type: "pong" });
        return send.call(this, type, ...rest);
      }),
  },
  {
    id: "E42", name: "pings-end-with-upgrade", wrong: "once there was a probe, there are no pings", noticed: ["EIO-HB-14", "EIO-HB-10"],
    install: probing((session) => clearTimeout(session.pingIntervalTimer)),
  },
  {
    id: "E43", name: "upgrade-undone", wrong: "a completed upgrade is closed when the time for it is over", noticed: ["EIO-UP-18"],
    install: probing((session, transport) => void setTimeout(() => transport.close(), session.server.opts.upgradeTimeout)),
  },
];
