package org.dpo4j.model;

import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import org.dpo4j.kernels.Device;
import org.jspecify.annotations.Nullable;

/**
 * Cache of CUDA graphs, keyed by every size and address that a launch uses. The first run with a key launches normally,
 * which loads kernels; the second is captured; later runs replay the graph. A stale graph cannot be replayed: memory that
 * has moved is another key.
 *
 * <p>Without graphs every run launches normally, and the bits are the same. One thread at a time.
 */
public final class Graphs implements AutoCloseable {
    /** Keys that are kept; the least recently used is dropped first, with its graph. */
    static final int MAX_KEYS = 256;

    private final Device device;
    private final boolean captures;
    /** Without a graph after the first time. */
    private final Map<Object, Captured> known = new LinkedHashMap<>(MAX_KEYS, 0.75f, true);

    private static final class Captured {
        private Device.@Nullable Graph graph;
    }

    /** {@code captures} wants a device that {@link Device#supportsGraphs supports CUDA graphs}. */
    public Graphs(Device device, boolean captures) {
        this.device = device;
        this.captures = captures;
    }

    /** Queues {@code work}, whose launches depend on {@code key} alone. */
    public void run(Object key, Runnable work) {
        Captured captured = known.get(key);
        if (!captures) {
            work.run();
        } else if (captured == null) {
            work.run();
            known.put(key, new Captured());
            dropOldest();
        } else {
            launch(captured, work);
        }
    }

    private void launch(Captured captured, Runnable work) {
        Device.Graph graph = captured.graph;
        if (graph == null) {
            graph = device.capture(work);
            captured.graph = graph;
        }
        graph.launch();
    }

    private void dropOldest() {
        if (known.size() > MAX_KEYS) {
            Iterator<Captured> oldest = known.values().iterator();
            close(oldest.next());
            oldest.remove();
        }
    }

    private static void close(Captured captured) {
        if (captured.graph != null) {
            captured.graph.close();
        }
    }

    @Override
    public void close() {
        known.values().forEach(Graphs::close);
        known.clear();
    }
}
