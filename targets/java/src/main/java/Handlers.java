import com.corundumstudio.socketio.*;
import com.corundumstudio.socketio.protocol.EngineIOVersion;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.Predicate;
import java.util.stream.Collectors;

/** The events of the fixture, and its journal. */
class Handlers {
    interface Reply { void send(Object... args); }
    interface Handler { void run(SocketIOClient client, List<Object> args, Reply reply); }
    static class Unsupported extends RuntimeException { Unsupported(String what) { super(what); } }

    static final ScheduledExecutorService timer = Executors.newSingleThreadScheduledExecutor(work -> {
        Thread thread = new Thread(work);
        thread.setDaemon(true);
        return thread;
    });
    static final String label = Main.env("SIO_NODE", "A");
    static final boolean journaled = !Main.env("SIO_JOURNAL", "1").equals("0");
    static final Deque<Map<String, Object>> journal = new ArrayDeque<>();
    static long noted;

    static void note(String kind, SocketIONamespace namespace, Map<String, ?> fields) {
        if (!journaled) return;
        synchronized (journal) {
            Map<String, Object> entry = new LinkedHashMap<>(Map.of("seq", ++noted, "kind", kind, "nsp", path(namespace)));
            entry.putAll(fields);
            journal.add(entry);
            if (journal.size() > 10_000) journal.remove();
        }
    }

    static String path(SocketIONamespace namespace) { return namespace.getName().isEmpty() ? "/" : namespace.getName(); }
    static String id(SocketIOClient client) { return client.getSessionId().toString(); }

    /** Every socket is in a room with the name of its namespace, which is no room of the application. */
    static List<String> rooms(SocketIOClient client) {
        return client.getAllRooms().stream().filter(room -> !room.equals(client.getNamespace().getName())).sorted().toList();
    }

    static List<String> listed(Object oneOrMany) {
        if (oneOrMany == null) return List.of();
        return (oneOrMany instanceof List<?> many ? many : List.of(oneOrMany)).stream().map(String::valueOf).toList();
    }

    static Object at(List<Object> args, int index) { return index < args.size() ? args.get(index) : null; }
    static Map<?, ?> request(List<Object> args) { return at(args, 0) instanceof Map<?, ?> map ? map : Map.of(); }
    static int integer(Object value, int fallback) { return value instanceof Number number ? number.intValue() : fallback; }

    static final Map<String, Handler> handlers = new HashMap<>();
    static {
        handlers.put("message", (client, args, reply) -> client.sendEvent("message-back", args.toArray()));
        handlers.put("message-with-ack", (client, args, reply) -> reply.send(args.toArray()));
        handlers.put("whoami", (client, args, reply) -> reply.send(whoami(client)));
        handlers.put("join", (client, args, reply) -> {
            client.joinRooms(new LinkedHashSet<>(listed(at(args, 0))));
            reply.send(rooms(client));
        });
        handlers.put("leave", (client, args, reply) -> {
            client.leaveRooms(new LinkedHashSet<>(listed(at(args, 0))));
            reply.send(rooms(client));
        });
        handlers.put("emit", (client, args, reply) -> emit(client, request(args), reply));
        handlers.put("select", (client, args, reply) -> reply.send(select(client.getNamespace(), request(args))));
        handlers.put("mark", (client, args, reply) -> {
            Map<String, Object> fields = new HashMap<>(Map.of("sid", id(client)));
            fields.put("x", at(args, 0));
            note("mark", client.getNamespace(), fields);
            reply.send();
        });
        handlers.put("acks", (client, args, reply) -> {
            for (int n = 0; n < integer(at(args, 0), 0); n++) reply.send(n);
        });
        handlers.put("later", (client, args, reply) -> timer.schedule(
            () -> run(client, String.valueOf(at(args, 1)), args.subList(2, args.size()), ignored -> {}),
            integer(at(args, 0), 0), TimeUnit.MILLISECONDS));
        handlers.put("bye", (client, args, reply) -> {
            String filler = "x".repeat(50_000);
            for (int n = 0; n < integer(request(args).get("burst"), 0); n++) client.sendEvent("n", n, filler);
            client.disconnect();
        });
        handlers.put("journal", (client, args, reply) -> {
            synchronized (journal) {
                reply.send(journal.stream().filter(e -> (long) e.get("seq") > integer(at(args, 0), 0)).toList());
            }
        });
        handlers.put("adapter", (client, args, reply) -> { throw new Unsupported("adapter"); });
    }

    static void run(SocketIOClient client, String event, List<Object> args, Reply reply) {
        Handler handler = handlers.get(event);
        if (handler == null) return;
        try {
            handler.run(client, args, reply);
        } catch (Unsupported error) {
            reply.send(Map.of("error", "unsupported: " + error.getMessage()));
        } catch (RuntimeException error) {
            reply.send(Map.of("error", String.valueOf(error)));
        }
    }

    static void install(SocketIONamespace namespace) {
        // Handlers declare the types of their arguments; these take up to 16 of any type.
        Class<?>[] anything = Collections.nCopies(16, Object.class).toArray(Class<?>[]::new);
        for (String event : handlers.keySet())
            namespace.addMultiTypeEventListener(event, (client, args, ack) -> run(client, event, args.getArgs(), ack::sendAckData), anything);
        namespace.addConnectListener(client -> {
            note("connect", namespace, Map.of("sid", id(client), "handler", "static"));
            boolean early = namespace.getName().isEmpty() && client.getEngineIOVersion() == EngineIOVersion.V4;
            if (!early) greet(client);
        });
        namespace.addDisconnectListener(client ->
            note("disconnect", namespace, Map.of("sid", id(client), "rooms", rooms(client))));
    }

    static void greet(SocketIOClient client) {
        if (client == null) return;
        Object auth = client.getHandshakeData().getAuthToken();
        client.sendEvent("auth", auth == null ? Map.of() : auth);
    }

    static Map<String, Object> whoami(SocketIOClient client) {
        Object auth = client.getHandshakeData().getAuthToken();
        String handler = path(client.getNamespace()).matches("/dynamic-(?!101$)\\d+") ? "dynamic" : "static";
        return Map.of("sid", id(client), "nsp", path(client.getNamespace()), "handler", handler, "node", label,
            "auth", auth == null ? Map.of() : auth, "recovered", false, "transport", client.getTransport().getValue(),
            "rooms", rooms(client));
    }

    static BroadcastOperations narrowed(SocketIONamespace namespace, List<String> to) {
        if (to.isEmpty()) return namespace.getBroadcastOperations();
        return to.size() == 1 ? namespace.getRoomOperations(to.get(0)) : namespace.getRoomOperations(to.toArray(String[]::new));
    }

    static void emit(SocketIOClient client, Map<?, ?> request, Reply reply) {
        for (String flag : List.of("volatile", "compress", "local"))
            if (request.containsKey(flag)) throw new Unsupported(flag);
        String via = request.get("via") instanceof String name ? name : "nsp", event = String.valueOf(request.get("event"));
        List<Object> args = request.get("args") instanceof List<?> list ? new ArrayList<>(list) : List.of();
        if (!List.of("self", "socket", "nsp").contains(via)) throw new Unsupported(via);
        SocketIONamespace namespace = request.get("nsp") instanceof String name ? Main.namespace(name.equals("/") ? "" : name) : client.getNamespace();
        Set<String> except = new HashSet<>(listed(request.get("except")));
        Predicate<SocketIOClient> excluded = other -> via.equals("socket") && other.getSessionId().equals(client.getSessionId())
            || !except.isEmpty() && other.getAllRooms().stream().anyMatch(except::contains);
        BroadcastOperations those = narrowed(namespace, listed(request.get("to")));
        if (request.containsKey("timeout")) {
            int seconds = Math.max(1, (integer(request.get("timeout"), 0) + 999) / 1000);
            if (via.equals("self")) askOne(client, event, args, seconds, reply);
            else askAll(those, excluded, event, args, seconds, reply);
            return;
        }
        boolean numbered = request.containsKey("repeat");
        for (int n = 0; n < integer(request.get("repeat"), 1); n++) {
            List<Object> all = new ArrayList<>(numbered ? List.of(n) : List.of());
            all.addAll(args);
            if (via.equals("self")) client.sendEvent(event, all.toArray());
            else those.sendEvent(event, excluded, all.toArray());
        }
        reply.send(Map.of());
    }

    static void askOne(SocketIOClient client, String event, List<Object> args, int seconds, Reply reply) {
        client.sendEvent(event, new AckCallback<Object>(Object.class, seconds) {
            @Override public void onSuccess(Object answer) { reply.send(Map.of("acks", Collections.singletonList(answer))); }
            @Override public void onTimeout() { reply.send(Map.of("acks", List.of(), "error", "timeout")); }
        }, args.toArray());
    }

    /** A broadcast that asks takes one argument. */
    static void askAll(BroadcastOperations those, Predicate<SocketIOClient> excluded, String event, List<Object> args, int seconds, Reply reply) {
        if (args.size() != 1) throw new Unsupported("a broadcast that asks with other than one argument");
        List<Object> answers = Collections.synchronizedList(new ArrayList<>());
        those.sendEvent(event, at(args, 0), excluded, new BroadcastAckCallback<Object>(Object.class, seconds) {
            @Override protected void onClientSuccess(SocketIOClient from, Object answer) { answers.add(answer); }
            @Override protected void onAllSuccess() { reply.send(Map.of("acks", answers)); }
            @Override protected void onClientTimeout(SocketIOClient from) { reply.send(Map.of("acks", answers, "error", "timeout")); }
        });
    }

    static Object select(SocketIONamespace namespace, Map<?, ?> request) {
        if (request.containsKey("local")) throw new Unsupported("local");
        Set<String> except = new HashSet<>(listed(request.get("except")));
        Set<String> rooms = new LinkedHashSet<>(listed(request.get("rooms")));
        Collection<SocketIOClient> those = narrowed(namespace, listed(request.get("in"))).getClients().stream()
            .filter(client -> client.getAllRooms().stream().noneMatch(except::contains)).collect(Collectors.toSet());
        switch (String.valueOf(request.get("op"))) {
            case "fetch": return those.stream().map(c -> Map.of("id", id(c), "rooms", rooms(c), "data", Map.of("node", label))).toList();
            case "join": those.forEach(client -> client.joinRooms(rooms)); return Map.of();
            case "leave": those.forEach(client -> client.leaveRooms(rooms)); return Map.of();
            case "disconnect":
                if (Boolean.TRUE.equals(request.get("close"))) throw new Unsupported("closing the connection");
                those.forEach(SocketIOClient::disconnect);
                return Map.of();
            default: throw new Unsupported(String.valueOf(request.get("op")));
        }
    }
}
