// Acknowledgements of either side.
"use strict";

// Acknowledgements of the server, as they are written; `change` returns none, one or several.
const answers = (change) => ({ PacketType, Socket, wrap }) =>
  wrap(Socket.prototype, "packet", (write) => function (packet, opts) {
    if (packet.type !== PacketType.ACK) return write.call(this, packet, opts);
    for (const changed of change(packet)) write.call(this, changed, opts);
  });

module.exports = [
  {
    id: "A01", name: "ack-twice", wrong: "an acknowledgement is sent twice", noticed: ["SIO-AK-04", "I7"],
    install: answers((packet) => [packet, packet]),
  },
  {
    id: "A02", name: "ack-missing", wrong: "acknowledgements are not sent", noticed: ["SIO-AK-01", "I7"],
    install: answers(() => []),
  },
  {
    id: "A03", name: "ack-wrong-nsp", wrong: "an acknowledgement of a namespace is sent in the main one", noticed: ["SIO-AK-09", "I7"],
    install: ({ PacketType, Client, wrap }) =>
      wrap(Client.prototype, "_packet", (write) => function (packet, opts) {
        return write.call(this, packet.type === PacketType.ACK ? { ...packet, nsp: "/" } : packet, opts);
      }),
  },
  {
    id: "A04", name: "ack-missing-on-empty", wrong: "there is no acknowledgement without values", noticed: ["SIO-AK-02", "I7"],
    install: answers((packet) => (packet.data.length > 0 ? [packet] : [])),
  },
  {
    id: "A05", name: "ack-wrong-id", wrong: "an acknowledgement carries the next id", noticed: ["SIO-AK-01", "I7"],
    install: answers((packet) => [{ ...packet, id: packet.id + 1 }]),
  },
  {
    id: "A07", name: "ack-first-arg-only", wrong: "acknowledgements keep only their first value", noticed: ["SIO-AK-01"],
    install: answers((packet) => [{ ...packet, data: packet.data.slice(0, 1) }]),
  },
  {
    id: "A08", name: "ack-id-zero", wrong: "the id 0 counts as none", noticed: ["SIO-AK-03"],
    install: ({ Socket, wrap }) =>
      wrap(Socket.prototype, "onevent", (onevent) => function (packet) {
        return onevent.call(this, packet.id === 0 ? { ...packet, id: undefined } : packet);
      }),
  },
  {
    id: "A09", name: "ack-as-event", wrong: "acknowledgements are sent as events", noticed: ["SIO-AK-01"],
    install: answers((packet) => [{ ...packet, type: 2, data: ["ack", ...packet.data] }]),
  },
  {
    id: "A10", name: "ack-id-truncated", wrong: "ids lose what is over sixteen bits", noticed: ["SIO-AK-11", "SIO-AK-01"],
    install: answers((packet) => [{ ...packet, id: packet.id % 65_536 }]),
  },
  {
    id: "A11", name: "client-ack-ignored", wrong: "acknowledgements of clients are ignored", noticed: ["SIO-AK-10", "MD-08", "I7"],
    install: ({ Socket }) => {
      Socket.prototype.onack = () => {};
    },
  },
  {
    id: "A12", name: "client-ack-any-id", wrong: "an acknowledgement of a client counts for the id behind its own as well",
    noticed: ["SIO-AK-05", "SIO-AK-06"],
    install: ({ Socket, wrap }) =>
      wrap(Socket.prototype, "onack", (onack) => function (packet) {
        onack.call(this, packet);
        onack.call(this, { ...packet, id: packet.id + 1 });
      }),
  },
  {
    id: "A13", name: "acks-overtaken", wrong: "an acknowledgement is sent behind the next packet", noticed: ["ORD-04"],
    install: ({ PacketType, Socket, wrap }) =>
      wrap(Socket.prototype, "packet", (write) => function (packet, opts) {
        if (packet.type !== PacketType.ACK) return write.call(this, packet, opts);
        setTimeout(() => write.call(this, packet, opts), 5);
      }),
  },
  {
    id: "A15", name: "ack-from-anybody", wrong: "an acknowledgement counts whoever sends it", noticed: ["ADM-08"],
    install: ({ Socket, wrap }) =>
      wrap(Socket.prototype, "onack", (onack) => function (packet) {
        const asked = [this, ...this.nsp.sockets.values()].find((socket) => socket.acks.has(packet.id));
        return onack.call(asked ?? this, packet);
      }),
  },
  {
    id: "A16", name: "questions-end-together", wrong: "when one question of a socket ends, all its questions do", noticed: ["SIO-AK-12", "MD-15"],
    install: ({ Socket, wrap }) =>
      wrap(Socket.prototype, "onack", (onack) => function (packet) {
        const isPending = this.acks.has(packet.id);
        onack.call(this, packet);
        if (isPending) for (const id of [...this.acks.keys()]) onack.call(this, { ...packet, id });
      }),
  },
];
