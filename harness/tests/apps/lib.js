// What every application here has in common: a free port, a line that says which, and figures to hold a report against.
"use strict";

/// Listens on a free port and says so. `GET /stats` is answered with what `stats` returns. Call it when everything else
/// listens to the server's requests already.
exports.listen = (server, stats = () => ({})) => {
  const others = server.listeners("request");
  server.removeAllListeners("request");
  server.on("request", (request, response) => {
    if (request.url !== "/stats") return others.forEach((listener) => listener.call(server, request, response));
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(stats()));
  });
  server.listen(Number(process.env.PORT || 0), "127.0.0.1", () => console.log(`LISTENING ${server.address().port}`));
  process.on("SIGTERM", () => process.exit(0));
};
