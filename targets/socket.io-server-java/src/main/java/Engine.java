import io.socket.engineio.server.EngineIoServer;
import io.socket.engineio.server.EngineIoSocket;
import io.socket.engineio.server.EngineIoWebSocket;
import io.socket.engineio.server.utils.ParseQS;
import io.socket.socketio.server.SocketIoSocket;
import jakarta.servlet.ServletException;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.WeakHashMap;
import org.eclipse.jetty.ee10.websocket.server.JettyServerUpgradeRequest;
import org.eclipse.jetty.ee10.websocket.server.JettyWebSocketServlet;
import org.eclipse.jetty.ee10.websocket.server.JettyWebSocketServletFactory;
import org.eclipse.jetty.websocket.api.Callback;
import org.eclipse.jetty.websocket.api.Session;

/** The servlet: requests go to the engine as they are, WebSockets through an adapter, since none is published for its version 6.3. */
public class Engine extends JettyWebSocketServlet {
    private static final long LARGEST_MESSAGE = 64 << 20;
    private static final Map<EngineIoSocket, Boolean> UPGRADED = Collections.synchronizedMap(new WeakHashMap<>());
    private final transient EngineIoServer engine;

    Engine(EngineIoServer engine) {
        this.engine = engine;
        engine.on("connection", args -> {
            EngineIoSocket session = (EngineIoSocket) args[0];
            session.on("upgrade", transport -> UPGRADED.put(session, true));
        });
    }

    /** The library keeps it to itself: it is the first one until the session has said that it is upgraded. */
    static String transport(SocketIoSocket socket) {
        boolean upgraded = UPGRADED.containsKey(socket.getClient().getConnection());
        return upgraded ? "websocket" : socket.getInitialQuery().get("transport");
    }

    @Override protected void configure(JettyWebSocketServletFactory factory) {
        factory.setMaxTextMessageSize(LARGEST_MESSAGE);
        factory.setMaxBinaryMessageSize(LARGEST_MESSAGE);
        factory.setIdleTimeout(Duration.ZERO);
        factory.setCreator((request, response) -> {
            // Jetty would take up permessage-deflate, which nobody has configured.
            response.setExtensions(List.of());
            return new Connection(request);
        });
    }

    @Override protected void service(HttpServletRequest request, HttpServletResponse response) throws ServletException, IOException {
        boolean upgrade = "websocket".equalsIgnoreCase(request.getHeader("Upgrade"));
        if (upgrade) super.service(request, response);
        else engine.handleRequest(request, response);
    }

    /** A WebSocket as the engine wants it and as Jetty has it. */
    public class Connection implements Session.Listener.AutoDemanding {
        private final Map<String, String> query;
        private final Map<String, List<String>> headers;
        private Link link;

        Connection(JettyServerUpgradeRequest request) {
            query = ParseQS.decode(request.getQueryString() == null ? "" : request.getQueryString());
            headers = Map.copyOf(request.getHeaders());
        }

        @Override public void onWebSocketOpen(Session session) {
            link = new Link(session);
            engine.handleWebSocket(link);
        }

        @Override public void onWebSocketText(String message) { link.emit("message", message); }

        @Override public void onWebSocketBinary(ByteBuffer payload, Callback callback) {
            byte[] bytes = new byte[payload.remaining()];
            payload.get(bytes);
            link.emit("message", (Object) bytes);
            callback.succeed();
        }

        @Override public void onWebSocketClose(int status, String reason) { link.emit("close"); }

        @Override public void onWebSocketError(Throwable cause) { if (link != null) link.emit("error", "websocket error", String.valueOf(cause)); }

        class Link extends EngineIoWebSocket {
            private final Session session;

            Link(Session session) {
                this.session = session;
            }

            @Override public Map<String, String> getQuery() { return query; }
            @Override public Map<String, List<String>> getConnectionHeaders() { return headers; }
            @Override public void write(String message) { session.sendText(message, Callback.NOOP); }
            @Override public void write(byte[] message) { session.sendBinary(ByteBuffer.wrap(message), Callback.NOOP); }
            @Override public void close() { session.close(); }
        }
    }
}
