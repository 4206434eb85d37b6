// A small shop: a login over HTTP, a search, prices that follow what is watched, and photos. For `shop.toml`, which
// shows how an application of one's own is loaded; it knows nothing of the fixture.
"use strict";

const { createHash, randomUUID } = require("crypto");
const http = require("http").createServer(login);
const { Server } = require("socket.io");

const io = new Server(http, { path: "/ws/" });
const ITEMS = ["lamp", "chair", "desk", "rug"].flatMap((kind) => [1, 2, 3, 4, 5].map((n) => `${kind}-${n}`));
const PRICE_EVERY = 2_000;
/** What a login gave out, and to whom. */
const tokens = new Map();

function login(request, response) {
  const answer = (status, body) => {
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify(body));
  };
  if (request.method !== "POST" || request.url !== "/login") return answer(404, { error: "there is only POST /login" });
  let text = "";
  request.on("data", (chunk) => (text += chunk));
  request.on("end", () => {
    let account;
    try {
      account = JSON.parse(text);
    } catch {
      return answer(400, { error: "not JSON" });
    }
    if (account?.password !== `secret of ${account?.email}`) return answer(401, { error: "unknown account" });
    const token = randomUUID();
    tokens.set(token, account.email);
    response.setHeader("set-cookie", `visit=${token}; Path=/; HttpOnly`);
    answer(200, { token, name: account.email.split("@")[0] });
  });
}

const shop = io.of("/shop");

shop.use((socket, next) => {
  const { token } = socket.handshake.auth;
  const cookie = socket.handshake.headers.cookie ?? "";
  if (!tokens.has(token)) return next(new Error("unknown token"));
  if (!cookie.includes(`visit=${token}`)) return next(new Error("the cookie of the login is missing"));
  next();
});

shop.on("connection", (socket) => {
  const timers = [];
  socket.on("search", (word, found) => found({ hits: ITEMS.filter((item) => item.startsWith(word)) }));
  socket.on("watch", (id, done) => {
    const price = () => socket.emit("price", { id, cents: 100 + Math.floor(Math.random() * 90_000) });
    done("ok");
    price();
    timers.push(setInterval(price, PRICE_EVERY));
  });
  socket.on("photo", (bytes, done) => done(createHash("sha256").update(bytes).digest("hex")));
  socket.on("disconnect", () => {
    timers.forEach(clearInterval);
    tokens.delete(socket.handshake.auth.token);
  });
});

http.listen(Number(process.env.PORT || 3000), () => console.log(`LISTENING ${http.address().port}`));
process.on("SIGTERM", () => io.close(() => process.exit(0)));
