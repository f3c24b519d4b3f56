package org.dpo4j.model;

import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.dpo4j.kernels.Device;
import org.jspecify.annotations.Nullable;

/**
 * One way through the decoder as graphs, each under all that its launches depend on. The first pass of a key queues
 * launch after launch, which loads what there is to load; the second is captured; from then on a pass is one launch.
 */
final class PassGraphs implements AutoCloseable {
    /** Graphs that are kept; the one that was not used for longest goes first. */
    static final int MOST = 32;

    /**
     * Sizes and addresses of a pass. Weights and gradients are the model's, and stay.
     *
     * @param pass but for {@code positionsEnd}, which no launch has
     * @param activations start of their memory; the rows decide what lies where
     * @param cosine of the rotary table, as {@code sine}
     * @param positions of the rotary table
     */
    record Key(Pass pass, long activations, long cosine, long sine, int positions) {

        Key {
            pass = pass.withPositionsEnd(0);
        }
    }

    private final Device device;
    private final Set<Key> once = new HashSet<>();
    private final Map<Key, Device.Graph> graphs = new LinkedHashMap<>(MOST, 0.75f, true);

    PassGraphs(Device device) {
        this.device = device;
    }

    /** Queues {@code work}, which depends on {@code key} alone. */
    void run(Key key, Runnable work) {
        Device.Graph graph = graphs.get(key);
        if (graph == null && once.add(key)) {
            work.run();
            return;
        }
        if (graph == null) {
            graph = device.capture(work);
            graphs.put(key, graph);
            dropOldest();
        }
        graph.launch();
    }

    private void dropOldest() {
        if (graphs.size() > MOST) {
            Key oldest = graphs.keySet().iterator().next();
            Device.@Nullable Graph dropped = graphs.remove(oldest);
            if (dropped != null) {
                dropped.close();
            }
        }
    }

    @Override
    public void close() {
        graphs.values().forEach(Device.Graph::close);
        graphs.clear();
    }
}
