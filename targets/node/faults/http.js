// Requests and the heads of their answers.
"use strict";

// What is done with a request ahead of the engine; `change` returns true if it has answered it.
const requests = (change) => ({ Engine, wrap }) =>
  wrap(Engine.prototype, "handleRequest", (handle) => function (req, res) {
    this.prepare(req);
    if (!change(req, res, this)) return handle.call(this, req, res);
  });

// The head of an answer, and its body if it is given with `end`.
const answers = (change) =>
  requests((req, res, engine) => {
    const { writeHead, end } = res;
    let body;
    res.writeHead = function (status, headers = {}) {
      const changed = change({ status, headers, req, engine }) ?? {};
      body = changed.body;
      for (const name of changed.without ?? []) this.removeHeader(name);
      const kept = Object.entries({ ...headers, ...changed.headers }).filter(([name, value]) => value !== undefined);
      return writeHead.call(this, changed.status ?? status, Object.fromEntries(kept));
    };
    res.end = function (said, ...rest) {
      return end.call(this, body ? body(said) : said, ...rest);
    };
  });

const isError = ({ status }) => status === 400 || status === 403;
const corsHeaders = ["access-control-allow-origin", "access-control-allow-credentials"];

module.exports = [
  {
    id: "H01", name: "unknown-sid-opens", wrong: "an unknown sid opens a session", noticed: ["EIO-HS-12", "EIO-HS-13"],
    install: requests((req, _, engine) => {
      if (req._query.sid && !engine.clients[req._query.sid]) delete req._query.sid;
    }),
  },
  {
    id: "H02", name: "unknown-sid-404", wrong: "an unknown sid is answered with 404", noticed: ["EIO-HS-12", "EIO-HS-13"],
    install: answers(({ status, req, engine }) =>
      status === 400 && req._query.sid && !engine.clients[req._query.sid] ? { status: 404 } : {}),
  },
  {
    id: "H03", name: "transport-default", wrong: "an unknown transport is taken for polling", noticed: ["EIO-HS-07"],
    install: requests((req, _, engine) => {
      if (!engine.opts.transports.includes(req._query.transport)) req._query.transport = "polling";
    }),
  },
  {
    id: "H04", name: "version-any", wrong: "any EIO is taken for 4", noticed: ["EIO-HS-05", "EIO-HS-06"],
    install: requests((req) => void (req._query.EIO = "4")),
  },
  {
    id: "H05", name: "method-any", wrong: "a session may be opened by POST", noticed: ["EIO-HS-11"],
    install: requests((req) => {
      if (!req._query.sid && req.method === "POST") req.method = "GET";
    }),
  },
  {
    id: "H07", name: "error-text", wrong: "errors are bare text", noticed: ["EIO-HD-04"],
    install: answers((answer) =>
      isError(answer) ? { headers: { "Content-Type": "text/plain" }, body: (said) => said && JSON.parse(said).message } : {}),
  },
  {
    id: "H08", name: "error-code-missing", wrong: "errors have no code", noticed: ["EIO-HD-04"],
    install: answers((answer) =>
      isError(answer) ? { body: (said) => said && JSON.stringify({ ...JSON.parse(said), code: undefined }) } : {}),
  },
  {
    id: "H09", name: "error-200", wrong: "errors are answered with 200", noticed: ["EIO-HS-05"],
    install: answers((answer) => (isError(answer) ? { status: 200 } : {})),
  },
  {
    id: "H10", name: "get-type", wrong: "the answer to a GET says it is plain octets", noticed: ["EIO-HD-01"],
    install: answers(({ status, req }) =>
      status === 200 && req.method === "GET" ? { headers: { "Content-Type": "application/octet-stream" } } : {}),
  },
  {
    id: "H11", name: "post-body", wrong: "the answer to a POST is empty", noticed: ["EIO-HD-02"],
    install: answers(({ status, req }) =>
      status === 200 && req.method === "POST" ? { headers: { "Content-Length": "0" }, body: () => "" } : {}),
  },
  {
    id: "H12", name: "cacheable", wrong: "answers may be cached", noticed: ["EIO-HD-03"],
    install: answers(() => ({ headers: { "cache-control": undefined } })),
  },
  {
    id: "H13", name: "cookie-always", wrong: "a cookie is set without being configured", noticed: ["EIO-HD-05"],
    install: answers(({ status, req }) =>
      status === 200 && !req._query.sid && req.method === "GET" ? { headers: { "Set-Cookie": "io=1; Path=/; HttpOnly" } } : {}),
  },
  {
    id: "H14", name: "cookie-never", wrong: "the cookie that is configured is not set", noticed: ["EIO-HD-05"],
    install: ({ options }) => options((opts) => void (opts.cookie = undefined)),
  },
  {
    id: "H15", name: "cors-reflected", wrong: "any origin is reflected", noticed: ["EIO-HD-06", "EIO-HD-07"],
    install: requests((req, res) => {
      if (req.headers.origin) res.setHeader("Access-Control-Allow-Origin", req.headers.origin);
    }),
  },
  {
    id: "H16", name: "cors-not-on-errors", wrong: "errors carry no CORS headers", noticed: ["EIO-HD-08"],
    install: answers((answer) => (isError(answer) ? { without: corsHeaders } : {})),
  },
  {
    id: "H17", name: "preflight-refused", wrong: "preflights are answered with 405", noticed: ["EIO-HD-07"],
    install: requests((req, res) => req.method === "OPTIONS" && res.writeHead(405).end()),
  },
  {
    id: "H18", name: "octets-taken", wrong: "a POST of octets is taken for text", noticed: ["EIO-PL-14"],
    install: requests((req) => {
      if (req.headers["content-type"] === "application/octet-stream") req.headers["content-type"] = "text/plain";
    }),
  },
  {
    id: "H19", name: "put-taken", wrong: "a PUT is taken for a POST", noticed: ["EIO-PL-20"],
    install: requests((req) => {
      if (req.method === "PUT") req.method = "POST";
    }),
  },
  {
    id: "H20", name: "refusal-overruled", wrong: "the application's refusal is not heeded", noticed: ["EIO-HS-19"],
    install: ({ options }) => options((opts) => void (opts.allowRequest = undefined)),
  },
  {
    id: "H21", name: "never-compressed", wrong: "long answers are not compressed", noticed: ["EIO-HD-09"],
    install: ({ options }) => options((opts) => void (opts.httpCompression = false)),
  },
  {
    id: "H23", name: "too-large-404", wrong: "a body that is too large is answered with 404", noticed: ["EIO-PL-12"],
    install: answers(({ status }) => (status === 413 ? { status: 404 } : {})),
  },
  {
    id: "H25", name: "cors-not-on-posts", wrong: "the answers to POSTs carry no CORS headers", noticed: ["EIO-HD-07", "EIO-HD-08"],
    install: answers(({ status, req }) => (status === 200 && req.method === "POST" ? { without: corsHeaders } : {})),
  },
  {
    id: "H26", name: "transports-ignored", wrong: "both transports are served, whatever is chosen", noticed: ["EIO-HS-23"],
    install: ({ options }) => options((opts) => void (opts.transports = ["polling", "websocket"])),
  },
  {
    id: "H27", name: "upgrades-ignored", wrong: "upgrades are offered although they are not allowed", noticed: ["EIO-HS-03"],
    install: ({ options }) => options((opts) => void (opts.allowUpgrades = true)),
  },
  {
    id: "H28", name: "slash-wanted", wrong: "the path needs a slash at its end although it is to have none", noticed: ["EIO-HS-24"],
    install: ({ Engine, wrap }) =>
      wrap(Engine.prototype, "_computePath", (compute) => function (opts) {
        return compute.call(this, { ...opts, addTrailingSlash: true });
      }),
  },
];
