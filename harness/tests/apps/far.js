// A way to PORT of this machine on which everything takes DELAY milliseconds, in either direction.
"use strict";
const net = require("net");

const { TARGET, DELAY } = process.env;
const relay = net.createServer((near) => {
  const far = net.connect(Number(TARGET), "127.0.0.1");
  for (const [from, to] of [
    [near, far],
    [far, near],
  ]) {
    // Timers of one length fire in their order.
    from.on("data", (bytes) => setTimeout(() => to.writable && to.write(bytes), Number(DELAY)));
    from.on("close", () => setTimeout(() => to.destroy(), Number(DELAY)));
    from.on("error", () => {});
  }
});
relay.listen(0, "127.0.0.1", () => console.log(`LISTENING ${relay.address().port}`));
