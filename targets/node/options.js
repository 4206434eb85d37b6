// What the variables of the contract mean as options of socket.io, for the targets that run on its own engine.
"use strict";

const env = process.env;
const number = (name, fallback) => Number(env[name] || fallback);

function unsupported(name) {
  console.error(`${name} is set, but the packages for it are not installed here`);
  process.exit(2);
}

// `msgpack` brings the parser of that name, which is installed beside the server; `adapter` is what `SIO_ADAPTER` names, where
// the packages for it are installed.
module.exports = (msgpack, adapter) => ({
  ...(env.SIO_ADAPTER && { adapter: adapter ?? unsupported("SIO_ADAPTER") }),
  pingInterval: number("SIO_PING_INTERVAL", 25_000),
  pingTimeout: number("SIO_PING_TIMEOUT", 20_000),
  connectTimeout: number("SIO_CONNECT_TIMEOUT", 45_000),
  upgradeTimeout: number("SIO_UPGRADE_TIMEOUT", 10_000),
  maxHttpBufferSize: number("SIO_MAX_PAYLOAD", 1_000_000),
  allowEIO3: env.SIO_EIO3 === "1",
  cleanupEmptyChildNamespaces: env.SIO_CLEANUP === "1",
  cors: env.SIO_CORS
    ? {
        origin: env.SIO_CORS,
        credentials: env.SIO_CORS_CREDENTIALS === "1",
        ...(env.SIO_CORS_METHODS && { methods: env.SIO_CORS_METHODS.split(",") }),
        ...(env.SIO_CORS_ALLOWED_HEADERS && { allowedHeaders: env.SIO_CORS_ALLOWED_HEADERS.split(",") }),
        ...(env.SIO_CORS_EXPOSED_HEADERS && { exposedHeaders: env.SIO_CORS_EXPOSED_HEADERS.split(",") }),
        ...(env.SIO_CORS_MAX_AGE && { maxAge: Number(env.SIO_CORS_MAX_AGE) }),
      }
    : undefined,
  cookie: env.SIO_COOKIE ? { name: env.SIO_COOKIE, path: "/", httpOnly: true, sameSite: "lax" } : undefined,
  allowRequest: env.SIO_DENY ? (req, decide) => decide(null, !req.url.includes(env.SIO_DENY)) : undefined,
  parser: env.SIO_PARSER === "msgpack" ? msgpack() : undefined,
  ...(env.SIO_TRANSPORTS && { transports: env.SIO_TRANSPORTS.split(",") }),
  allowUpgrades: env.SIO_ALLOW_UPGRADES !== "0",
  addTrailingSlash: env.SIO_TRAILING_SLASH !== "0",
  connectionStateRecovery: env.SIO_RECOVERY
    ? { maxDisconnectionDuration: Number(env.SIO_RECOVERY), skipMiddlewares: env.SIO_SKIP_MIDDLEWARES !== "0" }
    : undefined,
});
