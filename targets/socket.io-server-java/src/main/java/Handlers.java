import io.socket.socketio.server.SocketIoNamespace;
import io.socket.socketio.server.SocketIoSocket;
import io.socket.socketio.server.SocketIoSocket.ReceivedByLocalAcknowledgementCallback;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.AtomicBoolean;
import org.json.JSONArray;
import org.json.JSONObject;

/** The events of the fixture. */
class Handlers {
    interface Reply { void send(Object... args); }
    interface Handler { void run(SocketIoSocket socket, List<Object> args, Reply reply); }
    static class Unsupported extends RuntimeException { Unsupported(String what) { super(what); } }

    static final String label = Main.env("SIO_NODE", "A");
    static final Map<String, Object> data = new ConcurrentHashMap<>();
    static final Map<String, Handler> handlers = new HashMap<>();
    static final ScheduledExecutorService timer = Executors.newSingleThreadScheduledExecutor(work -> {
        Thread thread = new Thread(work);
        thread.setDaemon(true);
        return thread;
    });

    static {
        handlers.put("message", (socket, args, reply) -> socket.send("message-back", sendable(args.toArray())));
        handlers.put("message-with-ack", (socket, args, reply) -> reply.send(args.toArray()));
        handlers.put("whoami", (socket, args, reply) -> reply.send(whoami(socket)));
        handlers.put("handshake", (socket, args, reply) -> reply.send(handshake(socket)));
        handlers.put("join", (socket, args, reply) -> {
            socket.joinRoom(listed(at(args, 0)));
            reply.send(rooms(socket));
        });
        handlers.put("leave", (socket, args, reply) -> {
            socket.leaveRoom(listed(at(args, 0)));
            reply.send(rooms(socket));
        });
        handlers.put("emit", (socket, args, reply) -> emit(socket, request(args), reply));
        handlers.put("select", (socket, args, reply) -> { throw new Unsupported("select"); });
        handlers.put("adapter", (socket, args, reply) -> { throw new Unsupported("adapter"); });
        handlers.put("mark", (socket, args, reply) -> {
            Journal.note("mark", socket.getNamespace(), "sid", socket.getId(), "x", at(args, 0));
            reply.send();
        });
        handlers.put("data", (socket, args, reply) -> {
            if (!args.isEmpty()) data.put(socket.getId(), args.get(0) == null ? JSONObject.NULL : args.get(0));
            reply.send(data.get(socket.getId()));
        });
        handlers.put("acks", (socket, args, reply) -> {
            for (int n = 0; n < integer(at(args, 0), 0); n++) reply.send(n);
        });
        handlers.put("later", (socket, args, reply) -> timer.schedule(
            () -> run(socket, String.valueOf(at(args, 1)), args.subList(2, args.size()), ignored -> {}),
            integer(at(args, 0), 0), TimeUnit.MILLISECONDS));
        handlers.put("bye", (socket, args, reply) -> {
            String filler = "x".repeat(50_000);
            for (int n = 0; n < request(args).optInt("burst"); n++) socket.send("n", n, filler);
            socket.disconnect(request(args).optBoolean("close"));
        });
        handlers.put("journal", (socket, args, reply) -> reply.send(Journal.since(integer(at(args, 0), 0))));
    }

    /** The library hands out null for JSON's null, and refuses it as an argument. */
    static Object[] sendable(Object... args) {
        return Arrays.stream(args).map(arg -> arg == null ? JSONObject.NULL : arg).toArray();
    }

    static Object at(List<Object> args, int index) { return index < args.size() ? args.get(index) : null; }
    static JSONObject request(List<Object> args) { return at(args, 0) instanceof JSONObject said ? said : new JSONObject(); }
    static int integer(Object value, int fallback) { return value instanceof Number number ? number.intValue() : fallback; }

    static String[] listed(Object oneOrMany) {
        if (oneOrMany == null) return new String[0];
        List<?> all = oneOrMany instanceof JSONArray many ? many.toList() : List.of(oneOrMany);
        return all.stream().map(String::valueOf).toArray(String[]::new);
    }

    static JSONArray rooms(SocketIoSocket socket) {
        return new JSONArray(Arrays.stream(socket.getNamespace().getAdapter().listClientRooms(socket)).sorted().toList());
    }

    static void install(SocketIoNamespace namespace, String handler) {
        namespace.on("connection", args -> {
            SocketIoSocket socket = (SocketIoSocket) args[0];
            Journal.note("connect", socket.getNamespace(), "sid", socket.getId(), "handler", handler);
            data.put(socket.getId(), new JSONObject().put("node", label).put("handler", handler));
            for (String kind : List.of("disconnecting", "disconnect"))
                socket.on(kind, reason -> Journal.note(kind, socket.getNamespace(), "sid", socket.getId(), "reason", at(Arrays.asList(reason), 0), "rooms", rooms(socket)));
            socket.on("disconnect", reason -> data.remove(socket.getId()));
            handlers.keySet().forEach(event -> socket.on(event, said -> hear(socket, event, said)));
            socket.send("auth", auth(socket));
        });
    }

    static void hear(SocketIoSocket socket, String event, Object[] said) {
        List<Object> args = new ArrayList<>(Arrays.asList(said));
        boolean asks = !args.isEmpty() && args.get(args.size() - 1) instanceof ReceivedByLocalAcknowledgementCallback;
        Reply reply = asks ? ((ReceivedByLocalAcknowledgementCallback) args.remove(args.size() - 1))::sendAcknowledgement : ignored -> {};
        run(socket, event, args, once(event, reply));
    }

    /** The library sends an acknowledgement as often as it is called; applications call it once. */
    static Reply once(String event, Reply reply) {
        AtomicBoolean sent = new AtomicBoolean();
        return event.equals("acks") ? reply : args -> { if (sent.compareAndSet(false, true)) reply.send(sendable(args)); };
    }

    /** What a handler throws would end its connection. */
    static void run(SocketIoSocket socket, String event, List<Object> args, Reply reply) {
        Handler handler = handlers.get(event);
        if (handler == null) return;
        try {
            handler.run(socket, args, reply);
        } catch (Unsupported error) {
            reply.send(new JSONObject().put("error", "unsupported: " + error.getMessage()));
        } catch (RuntimeException error) {
            reply.send(new JSONObject().put("error", String.valueOf(error)));
        }
    }

    static Object auth(SocketIoSocket socket) {
        return socket.getConnectData() == null ? new JSONObject() : socket.getConnectData();
    }

    static JSONObject whoami(SocketIoSocket socket) {
        String name = socket.getNamespace().getName();
        boolean isDynamic = name.matches("/dynamic-\\d+") && !name.equals("/dynamic-101");
        return new JSONObject().put("sid", socket.getId()).put("nsp", name).put("handler", isDynamic ? "dynamic" : "static")
            .put("node", label).put("auth", auth(socket)).put("recovered", false)
            .put("transport", Engine.transport(socket)).put("rooms", rooms(socket));
    }

    static JSONObject handshake(SocketIoSocket socket) {
        JSONObject headers = new JSONObject();
        socket.getInitialHeaders().forEach((name, values) -> headers.put(name.toLowerCase(Locale.ROOT), String.join(", ", values)));
        return new JSONObject().put("query", new JSONObject(socket.getInitialQuery())).put("headers", headers).put("xdomain", headers.has("origin"));
    }

    static void emit(SocketIoSocket socket, JSONObject request, Reply reply) {
        for (String what : List.of("volatile", "compress", "local", "except"))
            if (request.has(what)) throw new Unsupported(what);
        String via = request.optString("via", "nsp"), event = request.getString("event");
        List<Object> args = new ArrayList<>();
        JSONArray given = request.optJSONArray("args");
        for (int index = 0; given != null && index < given.length(); index++) args.add(given.isNull(index) ? null : given.get(index));
        if (request.has("timeout")) {
            if (!via.equals("self")) throw new Unsupported("acknowledgements of several");
            ask(socket, event, args, request.getInt("timeout"), reply);
            return;
        }
        for (int n = 0; n < request.optInt("repeat", 1); n++) {
            List<Object> all = new ArrayList<>(request.has("repeat") ? List.of(n) : List.of());
            all.addAll(args);
            send(socket, via, request, event, sendable(all.toArray()));
        }
        reply.send(new JSONObject());
    }

    static void send(SocketIoSocket socket, String via, JSONObject request, String event, Object[] args) {
        String[] to = listed(request.opt("to"));
        String[] rooms = to.length == 0 ? null : to;
        switch (via) {
            case "self" -> socket.send(event, args);
            case "socket" -> socket.broadcast(rooms, event, args);
            case "nsp" -> {
                SocketIoNamespace namespace = request.has("nsp") ? Main.server.namespace(request.getString("nsp")) : socket.getNamespace();
                namespace.broadcast(rooms, event, args);
            }
            case "parent" -> parentOf(socket).broadcast(rooms, event, args);
            default -> throw new Unsupported(via);
        }
    }

    static SocketIoNamespace parentOf(SocketIoSocket socket) {
        if (!whoami(socket).getString("handler").equals("dynamic")) throw new Unsupported("parent");
        return Main.dynamic;
    }

    static void ask(SocketIoSocket socket, String event, List<Object> args, int millis, Reply reply) {
        AtomicBoolean answered = new AtomicBoolean();
        timer.schedule(() -> {
            if (answered.compareAndSet(false, true)) reply.send(new JSONObject().put("acks", JSONObject.NULL).put("error", "timeout"));
        }, millis, TimeUnit.MILLISECONDS);
        socket.send(event, sendable(args.toArray()), answer -> {
            Object first = answer.length == 0 || answer[0] == null ? JSONObject.NULL : answer[0];
            if (answered.compareAndSet(false, true)) reply.send(new JSONObject().put("acks", first));
        });
    }
}
