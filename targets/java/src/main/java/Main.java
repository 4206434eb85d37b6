import com.corundumstudio.socketio.*;
import com.corundumstudio.socketio.messages.PacketsMessage;
import com.corundumstudio.socketio.namespace.Namespace;
import com.corundumstudio.socketio.protocol.EngineIOVersion;
import io.netty.channel.*;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.util.*;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Pattern;

/** The fixture on netty-socketio: options, namespaces and who may enter them. The contract is described in
 *  {@code reference-server/src/fixture}. */
public class Main {
    static final Pattern DYNAMIC = Pattern.compile("(?:^|[\\x1e:0-9])40(/dynamic-[0-9]+)(?=[,?{\\x1e]|$)");
    static final Pattern MAIN = Pattern.compile("(?:^|\\x1e)40(?=[{\\x1e]|$)");
    static SocketIOServer server;
    static final Map<String, SocketIONamespace> namespaces = new ConcurrentHashMap<>();

    static String env(String name, String fallback) {
        String value = System.getenv(name);
        return value == null || value.isEmpty() ? fallback : value;
    }

    static int number(String name, int fallback) {
        return Integer.parseInt(env(name, String.valueOf(fallback)));
    }

    public static void main(String[] args) throws Exception {
        for (String name : List.of("SIO_RECOVERY", "SIO_ADAPTER", "SIO_CLEANUP", "SIO_COOKIE"))
            if (System.getenv(name) != null) exit(name + " is set, but netty-socketio has nothing like it");
        if (env("SIO_PARSER", "json").equals("msgpack")) exit("SIO_PARSER=msgpack, but netty-socketio has JSON only");
        int port = number("PORT", 3000);
        if (port == 0) try (ServerSocket any = new ServerSocket(0)) { port = any.getLocalPort(); }
        server = new SocketIOServer(options(port));
        server.setPipelineFactory(new OnDemand());
        for (String name : List.of("", "/custom", "/dynamic-101", "/deny", "/slow", "/chain")) namespace(name);
        server.start();
        System.out.println("LISTENING " + port);
        Runtime.getRuntime().addShutdownHook(new Thread(server::stop));
    }

    static void exit(String why) {
        System.err.println(why);
        System.exit(2);
    }

    static Configuration options(int port) {
        Configuration options = new Configuration();
        options.setHostname("127.0.0.1");
        options.setPort(port);
        options.setPingInterval(number("SIO_PING_INTERVAL", 25_000));
        options.setPingTimeout(number("SIO_PING_TIMEOUT", 20_000));
        options.setFirstDataTimeout(number("SIO_CONNECT_TIMEOUT", 45_000));
        options.setUpgradeTimeout(number("SIO_UPGRADE_TIMEOUT", 10_000));
        options.setMaxHttpContentLength(number("SIO_MAX_PAYLOAD", 1_000_000));
        options.setMaxFramePayloadLength(number("SIO_MAX_PAYLOAD", 1_000_000));
        options.setAckMode(AckMode.MANUAL);
        String origin = System.getenv("SIO_CORS"), deny = System.getenv("SIO_DENY");
        options.setEnableCors(origin != null);
        options.setOrigin(origin);
        if (deny != null) options.setAuthorizationListener(data ->
            data.getUrl().contains(deny) ? AuthorizationResult.FAILED_AUTHORIZATION : AuthorizationResult.SUCCESSFUL_AUTHORIZATION);
        SocketConfig socket = new SocketConfig();
        socket.setReuseAddress(true);
        options.setSocketConfig(socket);
        return options;
    }

    /** What the library has no hook for: namespaces that match a pattern are registered when the first client asks, and
     *  who enters the main namespace is greeted, as its connect listener runs at the handshake, ahead of any CONNECT. */
    @ChannelHandler.Sharable
    static class OnDemand extends SocketIOChannelInitializer {
        @Override protected void addSocketioHandlers(ChannelPipeline pipeline) {
            super.addSocketioHandlers(pipeline);
            pipeline.addBefore(PACKET_HANDLER, "namespaces", new ChannelInboundHandlerAdapter() {
                @Override public void channelRead(ChannelHandlerContext context, Object message) throws Exception {
                    if (!(message instanceof PacketsMessage packets)) {
                        super.channelRead(context, message);
                        return;
                    }
                    String text = packets.getContent().toString(StandardCharsets.UTF_8);
                    var asked = DYNAMIC.matcher(text);
                    while (asked.find()) namespace(asked.group(1));
                    super.channelRead(context, message);
                    boolean main = packets.getClient().getEngineIOVersion() == EngineIOVersion.V4 && MAIN.matcher(text).find();
                    if (main) Handlers.greet(packets.getClient().getChildClient((Namespace) server.getNamespace("")));
                }
            });
        }
    }

    static SocketIONamespace namespace(String name) {
        return namespaces.computeIfAbsent(name, fresh -> {
            SocketIONamespace namespace = fresh.isEmpty() ? server.getNamespace("") : server.addNamespace(fresh);
            Handlers.note("namespace", namespace, Map.of());
            namespace.addAuthTokenListener((auth, client) -> admit(namespace, auth));
            Handlers.install(namespace);
            return namespace;
        });
    }

    static AuthTokenResult admit(SocketIONamespace namespace, Object auth) {
        Map<?, ?> said = auth instanceof Map<?, ?> map ? map : Map.of();
        boolean refuse = Boolean.TRUE.equals(said.get("refuse"));
        switch (namespace.getName()) {
            case "/deny": return no(Map.of("message", "denied", "data", Map.of("code", "E_DENIED")));
            case "/slow": pause(300); return refuse ? no(Map.of("message", "refused")) : AuthTokenResult.AuthTokenResultSuccess;
            case "/chain":
                for (int n = 1; n <= 3; n++) {
                    Handlers.note("mw", namespace, Map.of("n", n));
                    if (said.get("fail") instanceof Number fail && fail.intValue() == n) return no(Map.of("message", "fail-" + n));
                }
                return AuthTokenResult.AuthTokenResultSuccess;
            default:
                boolean dynamic = namespace.getName().startsWith("/dynamic-") && !namespace.getName().equals("/dynamic-101");
                return dynamic && refuse ? no(Map.of("message", "refused")) : AuthTokenResult.AuthTokenResultSuccess;
        }
    }

    static AuthTokenResult no(Object data) { return new AuthTokenResult(false, data); }

    static void pause(long millis) {
        try { Thread.sleep(millis); } catch (InterruptedException e) { Thread.currentThread().interrupt(); }
    }
}
