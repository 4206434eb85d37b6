// Loaded ahead of a server that has the Redis adapter: of what it publishes with a stamp of the schedule in it, every LOSE-th is
// lost, and how many were stands in the file LOST-<node>. A fence of the tester's, which has a number above those of the schedule, is
// lost with LOSE=all alone.
"use strict";
const fs = require("fs");
const Module = require("module");

const { LOSE, LOST, SIO_NODE } = process.env;
const DIGITS = "0123456789abcdefghijklmnopqrstuv";
const load = Module._load;
let published = 0;
let lost = 0;

// The number of the message whose stamp is in a text: behind the mark sixteen digits of five bits, the run, the number, a checksum.
const numberIn = (text) => {
  const at = text.indexOf("~sb:");
  if (at < 0) return undefined;
  const digits = [...text.slice(at + 4, at + 20)].map((digit) => BigInt(DIGITS.indexOf(digit)));
  const value = digits.reduce((sum, digit) => (sum << 5n) | digit, 0n);
  return Number((value >> 16n) & 0xffffffffn);
};

const lossy = (client) => {
  const publish = client.publish.bind(client);
  client.publish = (channel, message) => {
    const number = numberIn(Buffer.from(message).toString("latin1"));
    if (number === undefined || (number >= 4_000_000_000 && LOSE !== "all")) return publish(channel, message);
    published += 1;
    if (LOSE !== "all" && published % Number(LOSE) !== 0) return publish(channel, message);
    lost += 1;
    fs.writeFileSync(`${LOST}-${SIO_NODE}`, String(lost));
    return Promise.resolve(0);
  };
  return client;
};

Module._load = function (name, ...rest) {
  const found = load.call(this, name, ...rest);
  return name === "redis" ? { ...found, createClient: (...args) => lossy(found.createClient(...args)) } : found;
};
