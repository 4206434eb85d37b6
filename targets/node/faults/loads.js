// Faults that begin when a namespace has more sockets than a case or a random program ever has.
"use strict";

const CROWD = 50;
const isCrowded = (adapter) => adapter.nsp.sockets.size >= CROWD;

// One delivery in so many; `strike` gets the recipients, the index of the one that is hit, the options and the adapter.
const oneIn = (n, strike) => ({ each, recipients }) => {
  const strikes = each(n);
  recipients((found, opts, adapter) => {
    if (!isCrowded(adapter)) return found;
    const hit = found.findIndex(() => strikes());
    return hit < 0 ? found : strike(found, hit, opts, adapter);
  });
};

module.exports = [
  {
    id: "L01", name: "loss-in-a-crowd", wrong: "one delivery in 500 is lost", noticed: ["I6"],
    install: oneIn(500, (found, hit) => found.filter((_, index) => index !== hit)),
  },
  {
    id: "L02", name: "double-in-a-crowd", wrong: "one delivery in 500 is made twice", noticed: ["I1"],
    install: oneIn(500, (found, hit) => [...found, found[hit]]),
  },
  {
    id: "L03", name: "disorder-in-a-crowd", wrong: "one delivery in 500 is overtaken by what is sent after it", noticed: ["I5", "I5b"],
    install: ({ Client, each, wrap }) => {
      const strikes = each(500);
      wrap(Client.prototype, "writeToEngine", (write) => function (packets, opts) {
        const [socket] = this.sockets.values();
        if (!socket || !isCrowded(socket.adapter) || !opts.preEncoded || !strikes()) return write.call(this, packets, opts);
        setTimeout(() => write.call(this, packets, opts), 60);
      });
    },
  },
  {
    id: "L04", name: "stray-in-a-crowd", wrong: "one delivery in 500 goes to somebody outside the room as well", noticed: ["I3"],
    install: oneIn(500, (found, _, opts, adapter) => {
      const outside = [...adapter.nsp.sockets.values()].find((socket) => ![...opts.rooms].some((room) => socket.rooms.has(room)));
      return outside && opts.rooms.size > 0 ? [...found, outside] : found;
    }),
  },
  {
    id: "L05", name: "echo-in-a-crowd", wrong: "one broadcast in 50 reaches its sender", noticed: ["I2", "I3"],
    install: ({ Socket, each, wrap }) => {
      const strikes = each(50);
      wrap(Socket.prototype, "newBroadcastOperator", (before) => function () {
        const operator = before.call(this);
        if (isCrowded(this.adapter) && strikes()) operator.exceptRooms.clear();
        return operator;
      });
    },
  },
  {
    id: "L06", name: "altered-in-a-crowd", wrong: "one broadcast in 20 loses the last character of its payload", noticed: ["I15"],
    install: ({ Adapter, each, wrap }) => {
      const strikes = each(20);
      wrap(Adapter.prototype, "broadcast", (broadcast) => function (packet, opts) {
        const last = packet.data.at(-1);
        if (isCrowded(this) && typeof last === "string" && strikes()) packet.data[packet.data.length - 1] = last.slice(0, -1);
        return broadcast.call(this, packet, opts);
      });
    },
  },
];
