"""Drives python-socketio's client against a server with the fixture. Prints a line per check: `ok NAME`, or
`FAIL NAME: why`.

    python check.py URL
"""

import asyncio
import sys

import aiohttp
import socketio

URL = sys.argv[1]
opened = []


class Client(socketio.AsyncClient):
    """A client that keeps what it gets."""

    def __init__(self, **options):
        super().__init__(reconnection_delay=0.02, reconnection_delay_max=0.1, **options)
        self.got = asyncio.Queue()
        self.on("*", self.keep, namespace="*")
        opened.append(self)

    async def keep(self, event, namespace, *args):
        await self.got.put((event, *args))

    async def next(self, event):
        while True:
            name, *args = await asyncio.wait_for(self.got.get(), 5)
            if name == event:
                return args

    async def join(self, transports, namespace="/", **options):
        await self.connect(URL, transports=transports, namespaces=[namespace], wait_timeout=5, **options)
        self.nsp = namespace
        return await self.next("auth")

    async def ask(self, event, *args):
        return await self.call(event, args, namespace=self.nsp, timeout=5)


async def connected(transports, namespace="/"):
    client = Client()
    await client.join(transports, namespace)
    return client


async def connect(transports):
    client = await connected(transports)
    me = await client.ask("whoami")
    assert me["sid"] == client.get_sid("/"), me


async def auth(transports):
    client = Client()
    assert await client.join(transports, "/custom", auth={"token": "abc"}) == [{"token": "abc"}]


async def acks(transports):
    client = await connected(transports)
    assert await client.ask("message-with-ack", 1, "2", {"3": [False]}) == (1, "2", {"3": [False]})
    client.on("question", lambda n: n + 1)
    asked = await client.ask("emit", {"via": "self", "event": "question", "args": [41], "timeout": 3000})
    assert asked == {"acks": 42}, asked


async def binary(transports):
    client = await connected(transports)
    data = bytes([0, 1, 2, 254, 255])
    await client.emit("message", (data, {"nested": [data, b""]}, "é🙂"))
    assert await client.next("message-back") == [data, {"nested": [data, b""]}, "é🙂"]
    assert await client.ask("message-with-ack", data) == data


async def rooms(transports):
    a, b, c = [await connected(transports) for _ in range(3)]
    await a.ask("join", ["red", "blue"])
    await b.ask("join", ["red", "blue"])
    await a.ask("emit", {"via": "socket", "to": ["red", "blue"], "event": "tell", "args": ["others"]})
    await a.ask("emit", {"to": "red", "event": "tell", "args": ["all"]})
    for client in (a, b, c):
        await client.ask("message-with-ack")
    got = [[client.got.get_nowait() for _ in range(client.got.qsize())] for client in (a, b, c)]
    assert got == [[("tell", "all")], [("tell", "others"), ("tell", "all")], []], got


async def namespaces(transports):
    client = await connected(transports, "/dynamic-7")
    assert (await client.ask("whoami"))["nsp"] == "/dynamic-7"
    refused = Client()
    why = []
    refused.on("connect_error", why.append, namespace="/nowhere")
    try:
        await refused.connect(URL, transports=transports, namespaces=["/nowhere"], wait_timeout=5)
        raise AssertionError("accepted")
    except socketio.exceptions.ConnectionError:
        assert why == [{"message": "Invalid namespace"}], why


async def volatile(transports):
    client = await connected(transports)

    async def again():
        while True:
            await client.emit("emit", {"via": "self", "volatile": True, "event": "now", "args": [1]})
            await asyncio.sleep(0.1)

    trying = asyncio.create_task(again())
    try:
        assert await client.next("now") == [1]
    finally:
        trying.cancel()


async def reconnect(transports):
    client = await connected(transports)
    before = client.get_sid("/")
    if transports == ["websocket"]:
        await client.eio.send("not a packet, so that the server closes")
    else:
        # A close packet would end it for good, so the session is closed behind the client's back.
        query = f"/socket.io/?EIO=4&transport=polling&sid={client.eio.sid}"
        async with aiohttp.ClientSession() as session, session.post(URL + query, data="1") as answer:
            assert await answer.text() == "ok"
    await client.next("auth")
    assert await client.ask("message-with-ack", 1) == 1
    assert client.get_sid("/") != before


async def bye(transports):
    client = await connected(transports)
    left = asyncio.get_running_loop().create_future()
    client.on("disconnect", lambda reason: left.done() or left.set_result(reason))
    await client.emit("bye", {"close": True})
    await asyncio.wait_for(left, 5)


async def upgrade(_):
    client = await connected(["polling", "websocket"])
    assert client.transport() == "websocket"
    assert (await client.ask("whoami"))["transport"] == "websocket"


async def run(name, check, transports):
    try:
        await check(transports)
        print(f"ok {name}")
    except Exception as error:
        print(f"FAIL {name}: {type(error).__name__} {error}")
    for client in opened:
        await client.shutdown()
    opened.clear()


async def main():
    for transport in ["websocket", "polling"]:
        for check in [connect, auth, acks, binary, rooms, namespaces, volatile, reconnect, bye]:
            await run(f"{check.__name__} {transport}", check, [transport])
    await run("upgrade", upgrade, None)


asyncio.run(main())
