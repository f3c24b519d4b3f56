package org.dpo4j.io.hub;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpHandler;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HexFormat;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * A hub on the loopback address. As the hub does, it sends small files itself, and redirects to
 * another host, here another port, for large ones. Faults replace its next answers.
 */
public final class HubServer implements AutoCloseable {
    static final String COMMIT = "0123456789abcdef0123456789abcdef01234567";
    private static final int PAGE = 2;

    /** A request that the hub ({@code 127.0.0.1}) or the other host ({@code localhost}) has received. */
    record Request(
            String host,
            String path,
            @Nullable String token,
            @Nullable String range) {}

    private record Fault(String path, HttpHandler handler) {}

    private final Map<String, Map<String, byte[]>> repositories = new LinkedHashMap<>();
    private Map<String, byte[]> files = new LinkedHashMap<>();
    private final List<Request> requests = Collections.synchronizedList(new ArrayList<>());
    private final List<Fault> faults = new CopyOnWriteArrayList<>();
    private final ExecutorService threads = Executors.newCachedThreadPool();
    private final HttpServer hub = start();
    private final HttpServer contents = start();

    /** {@code name}: {@code models/owner/name} or {@code datasets/owner/name}. */
    public HubServer(String name) {
        repository(name);
    }

    /** Adds a repository, to which {@link #with} then adds files. */
    public final HubServer repository(String name) {
        files = new LinkedHashMap<>();
        repositories.put(name, files);
        return this;
    }

    private HttpServer start() {
        try {
            HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
            server.setExecutor(threads);
            server.createContext("/", this::handle);
            server.start();
            return server;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    public HubServer with(String path, byte[] content) {
        files.put(path, content);
        return this;
    }

    public HubServer with(String path, String content) {
        return with(path, content.getBytes(StandardCharsets.UTF_8));
    }

    /** Answers the next request whose path contains this text in another way. */
    HubServer fault(String path, HttpHandler handler) {
        faults.add(new Fault(path, handler));
        return this;
    }

    public String address() {
        return "http://127.0.0.1:" + hub.getAddress().getPort();
    }

    /** Variables by which a process uses this hub, and a cache of its own. */
    public Map<String, String> environment(Path cache) {
        return Map.of(
                "HF_HUB_CACHE",
                cache.toString(),
                "HF_HOME",
                cache.resolve("home").toString(),
                "HF_ENDPOINT",
                address());
    }

    /** This hub, as a process with {@link #environment} uses it. */
    public Hub open(Path cache) {
        HubListener silent = new HubListener() {
            @Override
            public void downloaded(String repository, long done, long total) {}

            @Override
            public void notice(String line) {}

            @Override
            public void waiting() {}
        };
        return Hub.in(HubSettings.find(environment(cache)), silent, Waiting.SLEEP, path -> Long.MAX_VALUE);
    }

    List<Request> requests() {
        synchronized (requests) {
            return List.copyOf(requests);
        }
    }

    /** The paths of requests for contents, without what is before the commit, in the order in which they arrived. */
    public List<String> fetched() {
        return requests().stream()
                .filter(request -> request.host().equals("127.0.0.1"))
                .map(Request::path)
                .filter(path -> path.contains("/resolve/"))
                .map(path -> path.replaceFirst(".*" + COMMIT + "/", ""))
                .collect(Collectors.toList());
    }

    private void handle(HttpExchange exchange) throws IOException {
        String path = exchange.getRequestURI().getRawPath();
        boolean isHub = exchange.getLocalAddress().getPort() == hub.getAddress().getPort();
        requests.add(new Request(
                isHub ? "127.0.0.1" : "localhost",
                path,
                exchange.getRequestHeaders().getFirst("Authorization"),
                exchange.getRequestHeaders().getFirst("Range")));
        try (exchange) {
            Fault fault = fault(path);
            if (fault != null) {
                fault.handler.handle(exchange);
            } else {
                answer(exchange, path, isHub);
            }
        }
    }

    private void answer(HttpExchange exchange, String path, boolean isHub) throws IOException {
        for (Map.Entry<String, Map<String, byte[]>> repository : repositories.entrySet()) {
            String name = repository.getKey();
            if (path.startsWith("/api/" + name + "/revision/")) {
                send(exchange, 200, "{\"sha\": \"" + COMMIT + "\"}");
                return;
            }
            if (path.equals("/api/" + name + "/tree/" + COMMIT)) {
                list(exchange, repository.getValue());
                return;
            }
            String file =
                    path.replaceFirst("(/signed)?/" + name.replace("models/", "") + "/resolve/" + COMMIT + "/", "");
            if (!file.equals(path)) {
                content(exchange, repository.getValue().get(file), isHub && isLarge(file));
                return;
            }
        }
        exchange.getResponseHeaders().add("X-Error-Code", "RepoNotFound");
        send(exchange, 404, "");
    }

    private @Nullable Fault fault(String path) {
        for (Fault fault : faults) {
            if (path.contains(fault.path) && faults.remove(fault)) {
                return fault;
            }
        }
        return null;
    }

    /** Pages of a few files, as the hub has them of a thousand. */
    private void list(HttpExchange exchange, Map<String, byte[]> files) throws IOException {
        String query = exchange.getRequestURI().getQuery();
        int from = query.contains("cursor=") ? Integer.parseInt(query.replaceFirst(".*cursor=", "")) : 0;
        ArrayNode page = JsonNodeFactory.instance.arrayNode();
        page.addObject().put("type", "directory").put("path", "folder").put("oid", COMMIT);
        Iterator<Map.Entry<String, byte[]>> entries =
                files.entrySet().stream().skip(from).limit(PAGE).iterator();
        while (entries.hasNext()) {
            Map.Entry<String, byte[]> entry = entries.next();
            page.add(entry(entry.getKey(), entry.getValue()));
        }
        if (from + PAGE < files.size()) {
            exchange.getResponseHeaders()
                    .add(
                            "Link",
                            "<" + address() + exchange.getRequestURI().getPath() + "?cursor=" + (from + PAGE)
                                    + ">; rel=\"next\"");
        }
        send(exchange, 200, page.toString());
    }

    private static boolean isLarge(String path) {
        return path.endsWith(".safetensors") || path.endsWith(".parquet");
    }

    static ObjectNode entry(String path, byte[] content) {
        ObjectNode entry = JsonNodeFactory.instance
                .objectNode()
                .put("type", "file")
                .put("path", path)
                .put("size", content.length)
                .put("oid", blob(content));
        if (isLarge(path)) {
            entry.putObject("lfs").put("oid", hash("SHA-256", content)).put("size", content.length);
        }
        return entry;
    }

    /** {@code git hash-object}. */
    static String blob(byte[] content) {
        byte[] header = ("blob " + content.length + "\0").getBytes(StandardCharsets.UTF_8);
        byte[] both = new byte[header.length + content.length];
        System.arraycopy(header, 0, both, 0, header.length);
        System.arraycopy(content, 0, both, header.length, content.length);
        return hash("SHA-1", both);
    }

    static String hash(String algorithm, byte[] content) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance(algorithm).digest(content));
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError(e);
        }
    }

    private void content(HttpExchange exchange, byte @Nullable [] content, boolean isElsewhere) throws IOException {
        if (content == null) {
            exchange.getResponseHeaders().add("X-Error-Code", "EntryNotFound");
            send(exchange, 404, "");
        } else if (isElsewhere) {
            exchange.getResponseHeaders().add("X-Linked-Etag", "\"" + hash("SHA-256", content) + "\"");
            String path = exchange.getRequestURI().getRawPath();
            exchange.getResponseHeaders()
                    .add("Location", "http://localhost:" + contents.getAddress().getPort() + "/signed" + path);
            send(exchange, 302, "elsewhere");
        } else {
            sendFrom(exchange, content);
        }
    }

    /** The whole content, or what a Range asks for. */
    static void sendFrom(HttpExchange exchange, byte[] content) throws IOException {
        String range = exchange.getRequestHeaders().getFirst("Range");
        int from = range == null ? 0 : Integer.parseInt(range.replaceAll("\\D", ""));
        if (range != null) {
            exchange.getResponseHeaders()
                    .add("Content-Range", "bytes " + from + "-" + (content.length - 1) + "/" + content.length);
        }
        send(exchange, range == null ? 200 : 206, content, from, content.length);
    }

    /** Sends a part of a content, and says that more follows. Waits a little, so that the part arrives before the end. */
    static void cut(HttpExchange exchange, byte[] content, int end) throws IOException {
        exchange.sendResponseHeaders(200, content.length);
        exchange.getResponseBody().write(content, 0, end);
        exchange.getResponseBody().flush();
        sleep(50);
    }

    static void sleep(int millis) {
        try {
            Thread.sleep(millis);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt(); // the server is closed
        }
    }

    static void send(HttpExchange exchange, int status, String content) throws IOException {
        byte[] bytes = content.getBytes(StandardCharsets.UTF_8);
        send(exchange, status, bytes, 0, bytes.length);
    }

    private static void send(HttpExchange exchange, int status, byte[] content, int from, int to) throws IOException {
        exchange.sendResponseHeaders(status, to == from ? -1 : to - from);
        if (to > from) {
            exchange.getResponseBody().write(content, from, to - from);
        }
    }

    @Override
    public void close() {
        hub.stop(0);
        contents.stop(0);
        threads.shutdownNow();
    }
}
