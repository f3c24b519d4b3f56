package org.dpo4j.model;

import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import org.dpo4j.kernels.Device;
import org.jspecify.annotations.Nullable;

/**
 * Cache of CUDA graphs, keyed by every size and address that the launches use. The first run with a key launches
 * normally, which loads kernels; the second captures a graph; later runs replay it. A stale graph is never replayed,
 * because memory that has moved changes the key.
 *
 * <p>If graphs are off, every run launches normally, with the same bits. Use it from one thread at a time.
 */
public final class Graphs implements AutoCloseable {
    /** Maximum number of keys. The least recently used key is dropped first, with its graph. */
    static final int MAX_KEYS = 256;

    private final Device device;
    private final boolean isOn;
    /** A key has no graph after its first run. */
    private final Map<Object, Captured> known = new LinkedHashMap<>(MAX_KEYS, 0.75f, true);

    private static final class Captured {
        private Device.@Nullable Graph graph;
    }

    /** {@code isOn} requires a device with {@link Device#supportsGraphs}. */
    public Graphs(Device device, boolean isOn) {
        this.device = device;
        this.isOn = isOn;
    }

    /** Queues {@code work}, whose launches must depend only on {@code key}. */
    public void run(Object key, Runnable work) {
        Captured captured = known.get(key);
        if (!isOn) {
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
