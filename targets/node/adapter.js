// The adapter that `SIO_ADAPTER` names, for nodes that share rooms with others: `redis://host:port`, `redis-sharded://…`,
// `redis-streams://…`, `postgres://…`, or `cluster://` for the workers of one machine.
"use strict";

// What a broker that is away throws at an application with handlers for its errors; a server lives on.
const complain = (error) => console.error(`broker: ${error?.message || error}`);

// Clients that wait for their broker, come back for ever, and never wait longer than a second between two attempts.
async function redisClients(address, count) {
  const { createClient } = require("redis");
  const url = `redis://${address}`;
  const socket = { reconnectStrategy: (retries) => Math.min(50 * 2 ** Math.min(retries, 5), 1000) };
  const clients = Array.from({ length: count }, () => createClient({ url, socket }));
  for (const client of clients) client.on("error", complain);
  await Promise.all(clients.map((client) => client.connect()));
  return clients;
}

// A command behind the subscriptions of a connection: its answer says that they are in place.
const subscribed = (client) => () => client.ping();

const KINDS = {
  async redis(address) {
    const [pub, sub] = await redisClients(address, 2);
    return { adapter: require("@socket.io/redis-adapter").createAdapter(pub, sub), ready: subscribed(sub) };
  },
  async "redis-sharded"(address) {
    const [pub, sub] = await redisClients(address, 2);
    return { adapter: require("@socket.io/redis-adapter").createShardedAdapter(pub, sub), ready: subscribed(sub) };
  },
  async "redis-streams"(address) {
    const [client] = await redisClients(address, 1);
    const adapter = require("@socket.io/redis-streams-adapter").createAdapter(client);
    return { adapter, ready: () => client.ping() };
  },
  async postgres(address) {
    const { Pool } = require("pg");
    const pool = new Pool({ connectionString: `postgres://${address}` });
    pool.on("error", complain);
    // An application sees to the errors of its connections; without this one, a
    // database that goes away ends the process.
    pool.on("connect", (client) => client.on("error", complain));
    await pool.query(`CREATE TABLE IF NOT EXISTS socket_io_attachments (
      id bigserial UNIQUE, created_at timestamptz DEFAULT NOW(), payload bytea)`);
    const adapter = require("@socket.io/postgres-adapter").createAdapter(pool, { errorHandler: complain });
    return { adapter, ready: async () => {} };
  },
  async cluster() {
    return { adapter: require("@socket.io/cluster-adapter").createAdapter(), ready: async () => {} };
  },
};

// The adapter, and `ready`, which returns when the namespaces that there are hear the other nodes.
module.exports = async (spec) => {
  const [kind, address] = spec.split("://");
  const build = address !== undefined && Object.hasOwn(KINDS, kind) && KINDS[kind];
  if (!build) {
    const known = Object.keys(KINDS).map((name) => `${name}://`);
    console.error(`SIO_ADAPTER is ${spec}; expected one of ${known.join(", ")} and where the broker is`);
    process.exit(2);
  }
  process.on("unhandledRejection", complain);
  return build(address).catch((error) => {
    console.error(`SIO_ADAPTER is ${spec}, and its broker cannot be used: ${error.message}`);
    process.exit(2);
  });
};
