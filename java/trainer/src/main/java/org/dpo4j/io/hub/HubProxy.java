package org.dpo4j.io.hub;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Proxy;
import java.net.ProxySelector;
import java.net.SocketAddress;
import java.net.URI;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/** The proxies of {@code HTTPS_PROXY} and the variables like it, which Python's libraries read and Java does not. */
final class HubProxy extends ProxySelector {
    private static final Pattern ADDRESS = Pattern.compile("(?:http://)?([^/:@\\s]+):([0-9]{1,5})/?");

    private final Map<String, String> environment;

    private HubProxy(Map<String, String> environment) {
        this.environment = environment;
    }

    /** Null if no variable names a proxy: then Java's own settings hold. */
    static @Nullable ProxySelector find(Map<String, String> environment) {
        HubProxy proxy = new HubProxy(environment);
        boolean isNamed = proxy.named("http") != null || proxy.named("https") != null;
        return isNamed ? proxy : null;
    }

    @Override
    public List<Proxy> select(URI uri) {
        InetSocketAddress address = named(uri.getScheme().toLowerCase(Locale.ROOT));
        boolean isDirect = address == null || isExcepted(uri.getHost().toLowerCase(Locale.ROOT));
        return List.of(isDirect ? Proxy.NO_PROXY : new Proxy(Proxy.Type.HTTP, address));
    }

    @Override
    public void connectFailed(URI uri, SocketAddress address, IOException e) {
        // the request fails, too, and says so
    }

    private @Nullable InetSocketAddress named(String scheme) {
        for (String name : List.of(scheme + "_proxy", "all_proxy")) {
            String text = value(name);
            if (!text.isEmpty()) {
                return address(name.toUpperCase(Locale.ROOT), text);
            }
        }
        return null;
    }

    private static InetSocketAddress address(String name, String text) {
        Matcher address = ADDRESS.matcher(text);
        int port = address.matches() ? Integer.parseInt(address.group(2)) : 0;
        if (port < 1 || port > 65_535) { // the text may hold a password
            throw new Dpo4jException(
                    name + " is no address of the form http://HOST:PORT, without name and password; set it"
                            + " to one, or unset it and name the proxy in DPO4J_JAVA_OPTIONS (-Dhttps.proxyHost=HOST)");
        }
        return InetSocketAddress.createUnresolved(address.group(1), port);
    }

    /** Whether {@code NO_PROXY} lists the host or a domain that it is in. */
    private boolean isExcepted(String host) {
        for (String each : value("no_proxy").toLowerCase(Locale.ROOT).split(",")) {
            String domain = each.strip().replaceFirst("^\\.", "").replaceFirst(":[0-9]+$", "");
            if (domain.equals("*") || !domain.isEmpty() && (host.equals(domain) || host.endsWith("." + domain))) {
                return true;
            }
        }
        return false;
    }

    /** The names in lower case go first, as in Python's urllib. */
    private String value(String name) {
        String lower = environment.getOrDefault(name, "");
        return (lower.isEmpty() ? environment.getOrDefault(name.toUpperCase(Locale.ROOT), "") : lower).strip();
    }
}
