// Arguments, their text and their attachments.
"use strict";

// The attachments of a packet, as they are written.
const attachments = (change) => ({ Encoder, wrap }) =>
  wrap(Encoder.prototype, "encodeAsBinary", (encode) => function (packet) {
    const [head, ...buffers] = encode.call(this, packet);
    return [head, ...change(buffers)];
  });

const isBinary = ({ type }) => type === 5 || type === 6;
const bytes = (buffer) => Buffer.from(buffer.buffer ?? buffer, buffer.byteOffset, buffer.byteLength);
const deep = (value, change) => {
  if (Array.isArray(value)) return value.map((item) => deep(item, change));
  if (value && Object.getPrototypeOf(value) === Object.prototype) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, deep(item, change)]));
  }
  return change(value);
};
// The arguments of the server's events, but not their names.
const args = (change) => ({ written }) => written(([name, ...rest]) => [name, ...deep(rest, change)]);
// The text of a packet of a client ahead of its reading; `undefined` loses it.
const read = (change) => ({ Decoder, wrap }) =>
  wrap(Decoder.prototype, "add", (add) => function (data) {
    const changed = change(data);
    if (changed !== undefined) return add.call(this, changed);
  });
// Whether the JSON of a packet is spelled as JSON.stringify would.
function isSpelledLikeNode(packet) {
  const json = typeof packet === "string" ? packet.replace(/^\d(\d+-)?(\/[^,]*,?)?\d*/, "") : "";
  try {
    return json === "" || JSON.stringify(JSON.parse(json)) === json;
  } catch {
    return true;
  }
}

module.exports = [
  {
    id: "P01", name: "placeholder-off-by-one", wrong: "placeholders count from one", noticed: ["SIO-BN-01", "I15"],
    install: ({ text }) =>
      text((said, packet) => (isBinary(packet) ? said.replace(/"num":(\d+)/g, (_, n) => `"num":${+n + 1}`) : said)),
  },
  {
    id: "P02", name: "attachments-reversed", wrong: "attachments come in reverse", noticed: ["SIO-BN-01", "I15"],
    install: attachments((buffers) => buffers.reverse()),
  },
  {
    id: "P03", name: "attachment-dropped", wrong: "the last attachment is not sent", noticed: ["SIO-BN-01", "I15"],
    install: attachments((buffers) => buffers.slice(0, -1)),
  },
  {
    id: "P04", name: "attachments-interleaved", wrong: "another packet comes between a header and its attachments", noticed: ["SIO-BN-03", "I15"],
    install: ({ Client, wrap }) =>
      wrap(Client.prototype, "writeToEngine", (write) => function (packets, opts) {
        if (packets.length < 2 || !Array.isArray(packets)) return write.call(this, packets, opts);
        write.call(this, packets.slice(0, 1), opts);
        setTimeout(() => write.call(this, packets.slice(1), opts), 5);
      }),
  },
  {
    id: "P05", name: "attachment-count", wrong: "one attachment more is announced than sent", noticed: ["SIO-BN-01"],
    install: ({ text }) => text((said, packet) => (isBinary(packet) ? said.replace(/^(.)(\d+)-/, (_, type, n) => `${type}${+n + 1}-`) : said)),
  },
  {
    id: "P06", name: "attachments-unbounded", wrong: "any number of attachments may be announced", noticed: ["SIO-BN-11", "SIO-MF-20"],
    install: ({ Decoder, wrap }) =>
      wrap(Decoder.prototype, "decodeString", (decode) => function (said) {
        this.opts.maxAttachments = Infinity;
        return decode.call(this, said);
      }),
  },
  {
    id: "P07", name: "bytes-cut", wrong: "binary loses its last byte", noticed: ["SIO-BN-01", "I15"],
    install: attachments((buffers) => buffers.map((buffer) => bytes(buffer).subarray(0, -1))),
  },
  {
    id: "P08", name: "binary-empty-dropped", wrong: "empty attachments are not sent", noticed: ["SIO-BN-06", "EIO-PL-06"],
    install: attachments((buffers) => buffers.filter((buffer) => buffer.byteLength > 0)),
  },
  {
    id: "P09", name: "dash-in-json", wrong: "an event with a dash in its payload is taken for one with attachments", noticed: ["SIO-EV-05"],
    install: read((data) => {
      if (typeof data === "string" && /^2[^-]*\["[^"]*",.*-/.test(data)) throw new Error("Illegal attachments");
      return data;
    }),
  },
  {
    id: "P11", name: "reserved-event", wrong: "a client may send the events that the library raises", noticed: ["SIO-MF-07"],
    install: ({ Decoder, PacketType, wrap }) =>
      wrap(Decoder, "isPayloadValid", (isValid) => (type, payload) =>
        isValid(type, payload) || (type === PacketType.EVENT && typeof payload?.[0] === "string")),
  },
  {
    id: "P12", name: "astral-mangled", wrong: "characters beyond the basic plane become question marks", noticed: ["EIO-PL-22", "SIO-EV-03"],
    install: ({ text }) => text((said) => said.replace(/[\u{10000}-\u{10ffff}]/gu, "?")),
  },
  {
    id: "P13", name: "line-separators-lost", wrong: "U+2028 and U+2029 are lost", noticed: ["EIO-PL-22", "SIO-EV-03"],
    install: ({ text }) => text((said) => said.replace(/[\u2028\u2029]/g, "")),
  },
  {
    id: "P15", name: "floats-cut", wrong: "numbers lose what is behind the point", noticed: ["SIO-EV-03"],
    install: args((value) => (typeof value === "number" ? Math.trunc(value) : value)),
  },
  {
    id: "P16", name: "nulls-dropped", wrong: "arguments that are null are left out", noticed: ["SIO-EV-03"],
    install: ({ written }) => written((data) => data.filter((value) => value !== null)),
  },
  {
    id: "P17", name: "args-padded", wrong: "events without arguments get a null", noticed: ["SIO-EV-01"],
    install: ({ written }) => written((data) => (data.length === 1 ? [data[0], null] : data)),
  },
  {
    id: "P19", name: "long-strings-cut", wrong: "strings over sixty thousand characters are cut", noticed: ["SIO-EV-10"],
    install: args((value) => (typeof value === "string" ? value.slice(0, 60_000) : value)),
  },
  {
    id: "P21", name: "event-name-folded", wrong: "names of events lose their case", noticed: ["SIO-EV-04"],
    install: ({ Socket, wrap }) =>
      wrap(Socket.prototype, "emit", (emit) => function (name, ...rest) {
        return emit.call(this, typeof name === "string" ? name.toLowerCase() : name, ...rest);
      }),
  },
  {
    id: "P22", name: "event-twice", wrong: "an event of a client is handled twice", noticed: ["ORD-01", "I7"],
    install: ({ Socket, wrap }) =>
      wrap(Socket.prototype, "onevent", (onevent) => function (packet) {
        onevent.call(this, { ...packet, data: [...packet.data] });
        onevent.call(this, packet);
      }),
  },
  {
    id: "P23", name: "event-lost", wrong: "every tenth event of a client is lost", noticed: ["ORD-01", "I7"],
    install: ({ Socket, each, wrap }) => {
      const strikes = each(10);
      wrap(Socket.prototype, "onevent", (onevent) => function (packet) {
        if (!strikes()) return onevent.call(this, packet);
      });
    },
  },
  {
    id: "P24", name: "events-swapped", wrong: "events of a client that come together are handled in reverse", noticed: ["ORD-01", "SIO-EV-08", "EIO-PL-02"],
    install: ({ Socket, wrap }) => {
      const waiting = new WeakMap();
      wrap(Socket.prototype, "onevent", (onevent) => function (packet) {
        const first = !waiting.has(this);
        if (first) waiting.set(this, []);
        waiting.get(this).push(packet);
        if (!first) return;
        setTimeout(() => {
          for (const each of waiting.get(this).reverse()) onevent.call(this, each);
          waiting.delete(this);
        }, 5);
      });
    },
  },
  {
    id: "P25", name: "malformed-ignored", wrong: "packets that are none are ignored", noticed: ["SIO-MF-01"],
    install: ({ Client }) => {
      Client.prototype.onerror = () => {};
    },
  },
  {
    id: "P26", name: "empty-string-null", wrong: "empty strings become null", noticed: ["SIO-EV-03"],
    install: args((value) => (value === "" ? null : value)),
  },
  {
    id: "P27", name: "client-binary-cut", wrong: "binary of clients loses its first byte", noticed: ["SIO-BN-01", "I15"],
    install: read((data) => (Buffer.isBuffer(data) ? data.subarray(1) : data)),
  },
  {
    id: "P28", name: "quotes-lost", wrong: "escaped quotes are lost", noticed: ["SIO-EV-03", "EIO-PL-22"],
    install: args((value) => (typeof value === "string" ? value.replaceAll('"', "") : value)),
  },
  {
    id: "P29", name: "main-namespace-named", wrong: "packets of the main namespace name it", noticed: ["SIO-EV-02", "SIO-CN-01"],
    install: ({ text }) => text((said, packet) => (packet.nsp === "/" && !isBinary(packet) ? `${said[0]}/,${said.slice(1)}` : said)),
  },
  {
    id: "P30", name: "spelling-exact", wrong: "packets whose JSON is not spelled as Node spells it are lost",
    noticed: ["SIO-EV-12", "SIO-CN-24", "SIO-AK-13", "SIO-BN-17"],
    install: read((data) => (isSpelledLikeNode(data) ? data : undefined)),
  },
];
