package org.dpo4j.bench.device;

import org.dpo4j.bench.device.Benchmark.Call;
import org.dpo4j.kernels.Device;

/**
 * A CUDA graph of {@value #NODES} equal calls. It measures the time of a call that the host does not launch, as in a
 * captured step.
 */
final class GraphNodes implements AutoCloseable {
    static final int NODES = 100;

    private final Device.Graph graph;

    /** Captures a call. It must have run before. */
    GraphNodes(Device device, Call call) {
        graph = device.capture(() -> {
            for (int turn = 0; turn < NODES; turn++) {
                call.queue(turn);
            }
        });
    }

    /** Launches all nodes. */
    Call call() {
        return turn -> graph.launch();
    }

    @Override
    public void close() {
        graph.close();
    }
}
