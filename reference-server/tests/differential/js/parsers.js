// Reads one packet a line from standard input, with what our decoders made of it, and says where the official parsers make something
// else of it: one line of JSON for each that differs, an empty line for each that does not.
"use strict";
const { decodePayload } = require("engine.io-parser");
const socketIo = require("socket.io-parser");
const msgpack = require("socket.io-msgpack-parser");

const hex = (bytes) => Buffer.from(bytes).toString("hex");

function engine({ text }) {
  const packets = decodePayload(text, "nodebuffer");
  return packets.map(({ type, data }) => {
    if (Buffer.isBuffer(data)) return ["binary", hex(data)];
    return ["open", "ping", "pong", "message"].includes(type) ? [type, data ?? ""] : [type, ""];
  });
}

function collect(decoder, messages) {
  let packet = { waits: true };
  decoder.on("decoded", (decoded) => (packet = decoded));
  try {
    messages.forEach((message) => decoder.add(message));
  } catch (error) {
    return { error: String(error.message) };
  }
  if (packet.waits) return packet;
  const { type, nsp, id, data } = packet;
  return { type, nsp, id, data };
}

const attached = (list) => list.map((bytes) => Buffer.from(bytes, "hex"));
const json = ({ text, attachments }) => collect(new socketIo.Decoder(), [text, ...attached(attachments)]);
const binary = ({ bytes }) => collect(new msgpack.Decoder(), [Buffer.from(bytes, "hex")]);

// Our data is JSON text with placeholders, so what JavaScript reads in it is compared.
function data(ours) {
  if (ours.json === "") return undefined;
  const list = attached(ours.attachments);
  const resolve = (value) => {
    if (Array.isArray(value)) return value.map(resolve);
    if (value === null || typeof value !== "object") return value;
    if (list.length > 0 && value._placeholder === true) return list[value.num];
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, resolve(item)]));
  };
  return resolve(JSON.parse(ours.json));
}

// What JSON has no word for is null in ours.
function same(a, b) {
  if (Buffer.isBuffer(a) || Buffer.isBuffer(b)) return Buffer.isBuffer(a) && Buffer.isBuffer(b) && a.equals(b);
  if (a === b || (a ?? null) === (b ?? null)) return true;
  if (a instanceof Date) return a.getTime() === b;
  if (typeof a === "number" && (a === b || (!Number.isFinite(a) && b === null))) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && same(a[key], b[key]));
}

function differs(kind, theirs, ours) {
  if (kind === "engine") return JSON.stringify(theirs) !== JSON.stringify(ours);
  if (theirs.error || ours.error || theirs.waits || ours.waits) {
    return !!theirs.error !== !!ours.error || !!theirs.waits !== !!ours.waits;
  }
  const head = theirs.type === ours.type && theirs.nsp === ours.nsp && (theirs.id ?? null) === (ours.id ?? null);
  return !head || !same(theirs.data, data(ours));
}

const parsers = { engine, json, binary };
let rest = "";
process.stdin.setEncoding("utf8");
process.stdin.on("data", (chunk) => {
  const lines = (rest + chunk).split("\n");
  rest = lines.pop();
  let answers = "";
  for (const line of lines) {
    const { input, ours } = JSON.parse(line);
    const theirs = parsers[input.kind](input);
    answers += (differs(input.kind, theirs, ours) ? whole(JSON.stringify({ theirs }, shown)) : "") + "\n";
  }
  process.stdout.write(answers);
});

// Halves of surrogate pairs are written as escapes, which are no JSON for others.
function whole(text) {
  return text.replace(/\\(?:u([0-9a-f]{4})|.)/g, (escape, code) => (/^d[89a-f]/.test(code ?? "") ? "\\ufffd" : escape));
}

function shown(_, value) {
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  return value && value.type === "Buffer" ? `<${hex(value.data)}>` : value;
}
