"""The fixture on python-socketio, as `server.py uvicorn` or `server.py aiohttp`. The contract is described in
`reference-server/src/fixture`."""
import asyncio
import os
import re
import socket
import sys
from importlib.metadata import version

import socketio
from socketio.exceptions import ConnectionRefusedError, TimeoutError

env = os.environ.get
for name in ("SIO_EIO3", "SIO_RECOVERY", "SIO_ADAPTER", "SIO_CLEANUP", "SIO_DENY"):
    if env(name):
        sys.exit(f"{name} is set, but python-socketio has nothing like it")

front = sys.argv[1] if len(sys.argv) > 1 else "uvicorn"
cookie = env("SIO_COOKIE")
sio = socketio.AsyncServer(
    async_mode="asgi" if front == "uvicorn" else "aiohttp",
    **({"namespaces": "*"} if tuple(map(int, version("python-socketio").split("."))) >= (5, 10) else {}),
    ping_interval=float(env("SIO_PING_INTERVAL", 25_000)) / 1000,
    ping_timeout=float(env("SIO_PING_TIMEOUT", 20_000)) / 1000,
    max_http_buffer_size=int(env("SIO_MAX_PAYLOAD", 1_000_000)),
    serializer=env("SIO_PARSER", "default").replace("json", "default"),
    cors_allowed_origins=env("SIO_CORS"),
    cors_credentials=env("SIO_CORS_CREDENTIALS") == "1",
    cookie={"name": cookie, "path": "/", "httponly": True, "SameSite": "Lax"} if cookie else None,
)
journal, sockets, count = [], {}, iter(range(1, 1 << 62))


def note(kind, nsp, **fields):
    if env("SIO_JOURNAL") != "0":
        journal.append({"seq": next(count), "kind": kind, "nsp": nsp, **fields})
        del journal[:-10_000]


class Unsupported(Exception):
    pass


def listed(one_or_many):
    return one_or_many if isinstance(one_or_many, list) else [one_or_many]


class Fixture(socketio.AsyncNamespace):
    async def trigger_event(self, event, *args):
        nsp, sid, *rest = args if self.namespace == "*" else (self.namespace, *args)
        if event == "connect":
            return await self.connect(nsp, sid, (rest[1] if len(rest) > 1 else None) or {})
        if event == "disconnect":
            note("disconnect", nsp, sid=sid, reason=rest[0] if rest else None, rooms=[])
            return sockets.pop((nsp, sid), None) and None
        run = getattr(self, "on_" + str(event).replace("-", "_"), None)
        try:
            return await run(nsp, sid, *rest) if run else sio.not_handled
        except Unsupported as error:
            return {"error": f"unsupported: {error}"}

    async def connect(self, nsp, sid, auth):
        handler = "static"
        if self.namespace == "*":
            fn = nsp.startswith("/fn-") and isinstance(auth, dict) and auth.get("token") == "ok"
            handler = "dynamic" if re.fullmatch(r"/dynamic-\d+", nsp) else "fn" if fn else None
        if handler is None:
            raise ConnectionRefusedError("Invalid namespace")
        if nsp == "/deny":
            raise ConnectionRefusedError("denied", {"code": "E_DENIED"})
        if handler == "dynamic" and auth.get("refuse"):
            raise ConnectionRefusedError("refused")
        if nsp == "/slow":
            await asyncio.sleep(0.3)
            if auth.get("refuse"):
                raise ConnectionRefusedError("refused")
        for n in (1, 2, 3) if nsp == "/chain" else ():
            note("mw", nsp, n=n)
            await sio.enter_room(sid, "mw-room", nsp)
            if auth.get("fail") == n:
                raise ConnectionRefusedError(f"fail-{n}")
        sockets[nsp, sid] = {"handler": handler, "auth": auth}
        note("connect", nsp, sid=sid, handler=handler)
        sio.start_background_task(self.greet, nsp, sid, auth)  # from here it would go out ahead of the CONNECT

    async def greet(self, nsp, sid, auth):
        while not sio.manager.is_connected(sid, nsp) and (nsp, sid) in sockets:
            await asyncio.sleep(0)
        await sio.emit("auth", auth, to=sid, namespace=nsp)

    async def on_message(self, nsp, sid, *args):
        await sio.emit("message-back", args, to=sid, namespace=nsp)

    async def on_message_with_ack(self, nsp, sid, *args):
        return args

    async def on_whoami(self, nsp, sid):
        return {"sid": sid, "nsp": nsp, "node": env("SIO_NODE", "A"), "recovered": False, **sockets[nsp, sid],
                "transport": sio.transport(sid, nsp), "rooms": sorted(sio.rooms(sid, nsp))}

    async def on_join(self, nsp, sid, rooms):
        for room in listed(rooms):
            await sio.enter_room(sid, room, nsp)
        return sorted(sio.rooms(sid, nsp))

    async def on_leave(self, nsp, sid, rooms):
        for room in listed(rooms):
            await sio.leave_room(sid, room, nsp)
        return sorted(sio.rooms(sid, nsp))

    async def on_emit(self, nsp, sid, o):
        via, args, timeout = o.get("via", "nsp"), o.get("args", []), o.get("timeout")
        flags = [flag for flag in ("except", "volatile", "local", "compress") if o.get(flag) is not None]
        if flags or via == "parent" or (timeout is not None and via != "self"):
            raise Unsupported(*flags, via)
        if timeout is not None:
            try:
                return {"acks": await sio.call(o["event"], tuple(args), to=sid, namespace=nsp, timeout=timeout / 1000)}
            except TimeoutError:
                return {"acks": None, "error": "timeout"}
        to = sid if via == "self" else o.get("to") or None
        for index in range(o.get("repeat", 1)):
            data = (index, *args) if "repeat" in o else tuple(args)
            skip = sid if via == "socket" else None
            await sio.emit(o["event"], data, to=to, skip_sid=skip, namespace=o.get("nsp", nsp))
        return {}

    async def on_select(self, nsp, sid, o):
        raise Unsupported("select")

    async def on_adapter(self, nsp, sid):
        raise Unsupported("adapter")

    async def on_mark(self, nsp, sid, x=None):
        note("mark", nsp, sid=sid, x=x)

    async def on_acks(self, nsp, sid, *args):
        return 0

    async def on_later(self, nsp, sid, delay, event, *args):
        async def run():
            await asyncio.sleep(delay / 1000)
            await self.trigger_event(event, *((nsp,) if self.namespace == "*" else ()), sid, *args)
        sio.start_background_task(run)

    async def on_bye(self, nsp, sid, o=None):
        for index in range((o or {}).get("burst", 0)):
            await sio.emit("n", (index, "x" * 50_000), to=sid, namespace=nsp)
        await sio.disconnect(sid, nsp)

    async def on_journal(self, nsp, sid, since=0):
        return [entry for entry in journal if entry["seq"] > since]


async def main():
    for name in ("/", "/custom", "/dynamic-101", "/deny", "/slow", "/chain", "*"):
        sio.register_namespace(Fixture(name))
    listener = socket.create_server(("127.0.0.1", int(env("PORT", 3000))), backlog=1024)
    print(f"LISTENING {listener.getsockname()[1]}", flush=True)
    if front == "uvicorn":
        import uvicorn
        config = uvicorn.Config(socketio.ASGIApp(sio), log_level="warning", ws="websockets", timeout_graceful_shutdown=1)
        await uvicorn.Server(config).serve(sockets=[listener])
    else:
        from aiohttp import web
        sio.attach(app := web.Application())
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.SockSite(runner, listener).start()
        await asyncio.Event().wait()

asyncio.run(main())
