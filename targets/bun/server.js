// The fixture on socket.io with bun-engine: Bun's HTTP server and WebSockets under the Socket.IO layer of Node.
import { Server as Engine } from "@socket.io/bun-engine";
import { Server } from "socket.io";
import parser from "socket.io-msgpack-parser";
import fixture from "../node/fixture.js";

const env = process.env;
const number = (name, fallback) => Number(env[name] || fallback);

for (const name of ["SIO_EIO3", "SIO_COOKIE", "SIO_ADAPTER"]) {
  if (env[name]) {
    console.error(`${name} is set, but bun-engine has nothing like it`);
    process.exit(2);
  }
}

const engine = new Engine({
  path: "/socket.io/",
  pingInterval: number("SIO_PING_INTERVAL", 25_000),
  pingTimeout: number("SIO_PING_TIMEOUT", 20_000),
  upgradeTimeout: number("SIO_UPGRADE_TIMEOUT", 10_000),
  maxHttpBufferSize: number("SIO_MAX_PAYLOAD", 1_000_000),
  cors: env.SIO_CORS ? { origin: env.SIO_CORS, credentials: env.SIO_CORS_CREDENTIALS === "1" } : undefined,
  allowRequest: env.SIO_DENY
    ? (request) => (request.url.includes(env.SIO_DENY) ? Promise.reject("the application said no") : Promise.resolve())
    : undefined,
});

const io = new Server({
  connectTimeout: number("SIO_CONNECT_TIMEOUT", 45_000),
  cleanupEmptyChildNamespaces: env.SIO_CLEANUP === "1",
  parser: env.SIO_PARSER === "msgpack" ? parser : undefined,
  connectionStateRecovery: env.SIO_RECOVERY ? { maxDisconnectionDuration: Number(env.SIO_RECOVERY) } : undefined,
});
io.bind(engine);
fixture(io);

const server = Bun.serve({ port: number("PORT", 3000), hostname: "127.0.0.1", ...engine.handler() });
console.log(`LISTENING ${server.port}`);
process.on("SIGTERM", () => process.exit(0));
