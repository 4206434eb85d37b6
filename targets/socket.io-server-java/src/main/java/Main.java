import io.socket.engineio.server.EngineIoServer;
import io.socket.engineio.server.EngineIoServerOptions;
import io.socket.socketio.server.SocketIoNamespace;
import io.socket.socketio.server.SocketIoServer;
import io.socket.socketio.server.SocketIoServerOptions;
import java.net.InetSocketAddress;
import java.util.List;
import java.util.regex.Pattern;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.ee10.websocket.server.config.JettyWebSocketServletContainerInitializer;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;

/** The fixture on socket.io-server-java, in a servlet on Jetty: options and namespaces. The contract is CONTRACT.md. */
public class Main {
    static final List<String> UNKNOWN = List.of("SIO_RECOVERY", "SIO_ADAPTER", "SIO_CLEANUP", "SIO_COOKIE", "SIO_MAX_PAYLOAD",
        "SIO_UPGRADE_TIMEOUT", "SIO_TRANSPORTS", "SIO_ALLOW_UPGRADES", "SIO_TRAILING_SLASH", "SIO_SKIP_MIDDLEWARES",
        "SIO_CORS_METHODS", "SIO_CORS_ALLOWED_HEADERS", "SIO_CORS_EXPOSED_HEADERS", "SIO_CORS_MAX_AGE");
    static SocketIoServer server;
    /** The pattern whose children are asked for by their parent. */
    static SocketIoNamespace dynamic;

    static String env(String name, String fallback) {
        String value = System.getenv(name);
        return value == null || value.isEmpty() ? fallback : value;
    }

    static int number(String name, int fallback) {
        return Integer.parseInt(env(name, String.valueOf(fallback)));
    }

    public static void main(String[] args) throws Exception {
        for (String name : UNKNOWN)
            if (System.getenv(name) != null) exit(name + " is set, but socket.io-server-java has nothing like it");
        if (env("SIO_PARSER", "json").equals("msgpack")) exit("SIO_PARSER=msgpack, but socket.io-server-java has JSON only");
        EngineIoServer engine = new EngineIoServer(engineOptions());
        server = new SocketIoServer(engine, SocketIoServerOptions.newFromDefault().setConnectionTimeout(number("SIO_CONNECT_TIMEOUT", 45_000)));
        for (String name : List.of("/", "/custom", "/dynamic-101")) Handlers.install(server.namespace(name), "static");
        dynamic = server.namespace(Pattern.compile("/dynamic-\\d+"));
        Handlers.install(dynamic, "dynamic");
        Handlers.install(server.namespace(Pattern.compile("/dynamic-2\\d+")), "dynamic2");

        Server jetty = new Server(new InetSocketAddress("127.0.0.1", number("PORT", 3000)));
        ServletContextHandler context = new ServletContextHandler("/");
        ServletHolder holder = new ServletHolder(new Engine(engine));
        holder.setAsyncSupported(true);
        context.addServlet(holder, "/socket.io/*");
        JettyWebSocketServletContainerInitializer.configure(context, null);
        jetty.setHandler(context);
        jetty.start();
        System.out.println("LISTENING " + ((ServerConnector) jetty.getConnectors()[0]).getLocalPort());
        jetty.join();
    }

    static void exit(String why) {
        System.err.println(why);
        System.exit(2);
    }

    static EngineIoServerOptions engineOptions() {
        EngineIoServerOptions options = EngineIoServerOptions.newFromDefault();
        options.setPingInterval(number("SIO_PING_INTERVAL", 25_000));
        options.setPingTimeout(number("SIO_PING_TIMEOUT", 20_000));
        String origin = System.getenv("SIO_CORS"), deny = System.getenv("SIO_DENY");
        // Without a list it reflects every origin.
        options.setAllowedCorsOrigins(origin == null ? EngineIoServerOptions.ALLOWED_CORS_ORIGIN_NONE : new String[] {origin});
        // It is shown the query and not the URL.
        if (deny != null) options.setHandshakeInterceptor((query, headers) ->
            query.entrySet().stream().noneMatch(pair -> (pair.getKey() + "=" + pair.getValue()).contains(deny)));
        return options;
    }
}
