import io.socket.socketio.server.SocketIoNamespace;
import java.util.*;
import org.json.JSONArray;
import org.json.JSONObject;

/** What happened inside, for behaviour that no packet shows. */
class Journal {
    private static final boolean on = !Main.env("SIO_JOURNAL", "1").equals("0");
    private static final Deque<JSONObject> entries = new ArrayDeque<>();
    private static final Set<String> known = new HashSet<>();
    private static long noted;

    static synchronized void note(String kind, SocketIoNamespace namespace, Object... pairs) {
        if (!on) return;
        // The library tells nobody of a new namespace; its first event does.
        if (known.add(namespace.getName()) && !kind.equals("namespace")) note("namespace", namespace);
        JSONObject entry = new JSONObject().put("seq", ++noted).put("kind", kind).put("nsp", namespace.getName());
        for (int index = 0; index < pairs.length; index += 2)
            entry.put((String) pairs[index], pairs[index + 1] == null ? JSONObject.NULL : pairs[index + 1]);
        entries.add(entry);
        if (entries.size() > 10_000) entries.remove();
    }

    static synchronized JSONArray since(int seq) {
        return new JSONArray(entries.stream().filter(entry -> entry.getLong("seq") > seq).toList());
    }
}
