package org.dpo4j.model;

import java.util.ArrayDeque;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import org.dpo4j.kernels.Device;
import org.jspecify.annotations.Nullable;

/**
 * Cache of CUDA graphs, keyed by every size and address that the launches use. The first run with a key launches
 * normally, which loads kernels; the second captures a graph; later runs replay it. A stale graph is never replayed,
 * because memory that has moved changes the key.
 *
 * <p>Graphs need device memory ({@link #NODE_BYTES}), so {@link #MAX_GRAPHS} are kept: those of the keys that occurred most
 * often in the last {@link #HISTORY} runs. If there is no room, a key gets a graph only when it has occurred more than twice as
 * often as the key with the rarest graph, which is then closed. So keys that are about as frequent do not close each other's
 * graphs in turns, which would cost more than launching.
 *
 * <p>If graphs are off, every run launches normally, with the same bits. Use it from one thread at a time.
 */
public final class Graphs implements AutoCloseable {
    /** Maximum number of graphs. */
    public static final int MAX_GRAPHS = 32;

    /**
     * Device memory of a node of an executable graph, an estimate. NVIDIA does not document it. A reader of NVIDIA's forum
     * measured 362, 395 and 458 MB with graphs of 500, 1000 and 2000 empty kernels on one stream (driver 470): 64 KiB for
     * each. Graphs of whole models that other programs measured, 24 MiB each, have this size with 384 nodes.
     */
    public static final long NODE_BYTES = 64L << 10;

    /** Runs whose keys are remembered. */
    static final int HISTORY = 4096;

    private final Device device;
    private final boolean isOn;
    private final Map<Object, Entry> known = new HashMap<>();
    /** In the order of capture. */
    private final Set<Entry> captured = new LinkedHashSet<>();

    private final Deque<Entry> history = new ArrayDeque<>();

    /** A key of the last runs. */
    private static final class Entry {
        private final Object key;
        /** How often it is in the history. */
        private int uses;

        private Device.@Nullable Graph graph;

        private Entry(Object key) {
            this.key = key;
        }

        private int uses() {
            return uses;
        }

        private void close() {
            if (graph != null) {
                graph.close();
                graph = null;
            }
        }
    }

    /** {@code isOn} requires a device with {@link Device#supportsGraphs}. */
    public Graphs(Device device, boolean isOn) {
        this.device = device;
        this.isOn = isOn;
    }

    /** Queues {@code work}, whose launches must depend only on {@code key}. */
    public void run(Object key, Runnable work) {
        if (!isOn) {
            work.run();
            return;
        }
        Entry entry = known.computeIfAbsent(key, Entry::new);
        entry.uses++;
        history.add(entry);
        if (history.size() > HISTORY) {
            forget(history.remove());
        }
        if (entry.graph == null && entry.uses > 1 && hasRoom(entry)) {
            entry.graph = device.capture(work);
            captured.add(entry);
        }
        if (entry.graph == null) {
            work.run();
        } else {
            entry.graph.launch();
        }
    }

    /** Closes the graph of a key that is no longer in the history: its memory may have moved. */
    private void forget(Entry entry) {
        if (--entry.uses == 0) {
            entry.close();
            captured.remove(entry);
            known.remove(entry.key);
        }
    }

    /** Makes room for the graph of an entry, if it is more frequent than others by enough. */
    private boolean hasRoom(Entry entry) {
        if (captured.size() < MAX_GRAPHS) {
            return true;
        }
        Entry rarest =
                captured.stream().min(Comparator.comparingInt(Entry::uses)).orElseThrow();
        if (entry.uses <= 2 * rarest.uses) {
            return false;
        }
        rarest.close();
        captured.remove(rarest);
        return true;
    }

    /** Number of graphs that are kept. */
    int count() {
        return captured.size();
    }

    /** Number of their nodes. */
    long nodes() {
        return captured.stream()
                .mapToLong(entry -> entry.graph == null ? 0 : entry.graph.nodes())
                .sum();
    }

    @Override
    public void close() {
        captured.forEach(Entry::close);
        captured.clear();
        known.clear();
        history.clear();
    }
}
