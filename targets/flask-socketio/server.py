"""The fixture on Flask-SocketIO with threads, under Werkzeug. The contract is described in `targets/CONTRACT.md`."""
import functools
import os
import re
import sys
import threading
import time

import flask
import flask_socketio
from flask_socketio import ConnectionRefusedError, SocketIO
from socketio.exceptions import TimeoutError
from werkzeug.serving import make_server

env = os.environ.get
for name in ("SIO_EIO3", "SIO_RECOVERY", "SIO_CLEANUP", "SIO_DENY", "SIO_CONNECT_TIMEOUT", "SIO_UPGRADE_TIMEOUT"):
    if env(name):
        sys.exit(f"{name} is set, but Flask-SocketIO has nothing like it")

cookie = env("SIO_COOKIE")
app = flask.Flask(__name__)
app.secret_key = "fixture"
sio = SocketIO(
    app,
    async_mode="threading",
    namespaces="*",
    ping_interval=float(env("SIO_PING_INTERVAL", 25_000)) / 1000,
    ping_timeout=float(env("SIO_PING_TIMEOUT", 20_000)) / 1000,
    max_http_buffer_size=int(env("SIO_MAX_PAYLOAD", 1_000_000)),
    serializer=env("SIO_PARSER", "default").replace("json", "default"),
    cors_allowed_origins=env("SIO_CORS"),
    cors_credentials=env("SIO_CORS_CREDENTIALS") == "1",
    cookie={"name": cookie, "path": "/", "httponly": True, "SameSite": "Lax"} if cookie else None,
)
journal, sockets, lock, noted = [], {}, threading.Lock(), 0


class Unsupported(Exception):
    pass


def note(kind, nsp, **fields):
    global noted
    if env("SIO_JOURNAL") == "0":
        return
    with lock:
        noted += 1
        journal.append({"seq": noted, "kind": kind, "nsp": nsp, **fields})
        del journal[:-10_000]


def here():
    return flask.request.namespace, flask.request.sid


def rooms():
    nsp, sid = here()
    return sorted(flask_socketio.rooms(sid, nsp))


def listed(one_or_many):
    return one_or_many if isinstance(one_or_many, list) else [one_or_many]


def connect(auth=None):
    nsp, sid = here()
    auth = auth or {}
    handler = "static"
    if nsp not in STATIC:
        fn = nsp.startswith("/fn-") and isinstance(auth, dict) and auth.get("token") == "ok"
        handler = "dynamic" if re.fullmatch(r"/dynamic-\d+", nsp) else "fn" if fn else None
    if handler is None:
        raise ConnectionRefusedError("Invalid namespace")
    if nsp == "/deny":
        raise ConnectionRefusedError("denied", {"code": "E_DENIED"})
    if nsp == "/slow":
        time.sleep(0.3)
    if (nsp == "/slow" or handler == "dynamic") and auth.get("refuse"):
        raise ConnectionRefusedError("refused")
    for n in (1, 2, 3) if nsp == "/chain" else ():
        note("mw", nsp, n=n)
        flask_socketio.join_room("mw-room")
        if auth.get("fail") == n:
            raise ConnectionRefusedError(f"fail-{n}")
    sockets[nsp, sid] = {"handler": handler, "auth": auth}
    note("connect", nsp, sid=sid, handler=handler)
    sio.start_background_task(greet, nsp, sid, auth)  # from here it would go out ahead of the CONNECT


def greet(nsp, sid, auth):
    while not sio.server.manager.is_connected(sid, nsp) and (nsp, sid) in sockets:
        time.sleep(0.001)
    sio.emit("auth", auth, to=sid, namespace=nsp)


def disconnect(reason=None):
    nsp, sid = here()
    sockets.pop((nsp, sid), None)
    note("disconnect", nsp, sid=sid, reason=reason, rooms=[])


def event(name, *args):
    run = EVENTS.get(name)
    try:
        return run(*args) if run else sio.server.not_handled
    except Unsupported as error:
        return {"error": f"unsupported: {error}"}


def whoami():
    nsp, sid = here()
    return {"sid": sid, "nsp": nsp, "node": env("SIO_NODE", "A"), "recovered": False, **sockets[nsp, sid],
            "transport": sio.server.transport(sid, nsp), "rooms": rooms()}


def join(names):
    for room in listed(names):
        flask_socketio.join_room(room)
    return rooms()


def leave(names):
    for room in listed(names):
        flask_socketio.leave_room(room)
    return rooms()


def emit(o):
    nsp, sid = here()
    via, args, timeout = o.get("via", "nsp"), o.get("args", []), o.get("timeout")
    flags = [flag for flag in ("except", "volatile", "local", "compress") if o.get(flag) is not None]
    if flags or via == "parent" or (timeout is not None and via != "self"):
        raise Unsupported(", ".join(flags) or via)
    if timeout is not None:
        try:
            return {"acks": sio.call(o["event"], tuple(args), to=sid, namespace=nsp, timeout=timeout / 1000)}
        except TimeoutError:
            return {"acks": None, "error": "timeout"}
    to = sid if via == "self" else o.get("to") or None
    for index in range(o.get("repeat", 1)):
        data = (index, *args) if "repeat" in o else tuple(args)
        skip = sid if via == "socket" else None
        sio.emit(o["event"], data, to=to, skip_sid=skip, namespace=o.get("nsp", nsp))
    return {}


def unsupported(what):
    def run(*_):
        raise Unsupported(what)
    return run


def data(*value):
    nsp, sid = here()
    if value:
        sockets[nsp, sid]["data"] = value[0]
    return sockets[nsp, sid].get("data")


def mark(x=None):
    nsp, sid = here()
    note("mark", nsp, sid=sid, x=x)


def later(delay, name, *args):
    environ = flask.request.environ
    nsp, sid = here()

    def run():
        time.sleep(delay / 1000)
        with app.request_context(environ):
            flask.request.namespace, flask.request.sid = nsp, sid
            event(name, *args)
    sio.start_background_task(run)


def bye(o=None):
    nsp, sid = here()
    for index in range((o or {}).get("burst", 0)):
        sio.emit("n", (index, "x" * 50_000), to=sid, namespace=nsp)
    flask_socketio.disconnect(sid, nsp)


def entries(since=0):
    with lock:
        return [entry for entry in journal if entry["seq"] > since]


STATIC = ("/", "/custom", "/dynamic-101", "/deny", "/slow", "/chain")
EVENTS = {
    "message": lambda *args: sio.emit("message-back", args, to=flask.request.sid, namespace=flask.request.namespace),
    "message-with-ack": lambda *args: args, "whoami": whoami, "join": join, "leave": leave, "emit": emit,
    "select": unsupported("select"), "adapter": unsupported("adapter"), "data": data, "mark": mark, "acks": lambda *_: 0,
    "later": later, "bye": bye, "journal": entries,
}
for nsp in (*STATIC, "*"):
    sio.on_event("connect", connect, namespace=nsp)
    sio.on_event("disconnect", disconnect, namespace=nsp)
    # A handler for every event of every namespace is given its arguments in another order than Flask-SocketIO reads them in.
    for name in EVENTS if nsp == "*" else ():
        sio.on_event(name, functools.partial(event, name), namespace=nsp)
    if nsp != "*":
        sio.on_event("*", event, namespace=nsp)
server = make_server("127.0.0.1", int(env("PORT", 3000)), app, threaded=True)
print(f"LISTENING {server.server_port}", flush=True)
server.serve_forever()
