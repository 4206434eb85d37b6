// What socket.io can be made to do wrong: the faults of the reference server in somebody else's code, in another language.
// `SIO_FAULT=<id>` switches one on before the server is made; `node faults` prints them all, for `sio-bench self-test --server node`.
// Those with the id of a fault of the reference server do the same; L01 and on are seen in loads alone.
"use strict";

const layers = {
  rooms: require("./rooms"),
  recovery: require("./recovery"),
  acks: require("./acks"),
  payload: require("./payload"),
  namespaces: require("./namespaces"),
  engine: require("./engine"),
  http: require("./http"),
};
// A load is in no layer of its own: its faults are of rooms.
const rows = Object.entries(layers).flatMap(([layer, faults]) => faults.map((fault) => ({ layer, ...fault })));
rows.push(...require("./loads").map((fault) => ({ layer: "rooms", ...fault })));

module.exports.install = (wanted) => {
  const row = rows.find(({ id, name }) => id === wanted || name === wanted);
  if (!row) {
    console.error(`SIO_FAULT is ${wanted}, which is no fault; \`node faults\` prints those there are`);
    process.exit(2);
  }
  row.install(require("./kit"));
};

if (require.main === module) {
  console.log(JSON.stringify(rows.map(({ install, ...row }) => row), null, 1));
}
