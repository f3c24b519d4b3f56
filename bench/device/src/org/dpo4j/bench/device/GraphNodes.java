package org.dpo4j.bench.device;

import org.dpo4j.bench.device.Benchmark.Call;
import org.dpo4j.kernels.Device;

/** A CUDA graph of equal calls. It measures the time of a call that the host does not launch, as in a captured step. */
final class GraphNodes implements AutoCloseable {
    private final int count;
    private final Device.Graph graph;

    /** Captures a call. It must have run before. Where times are not measurements, a few nodes are enough. */
    GraphNodes(Device device, Call call, Scale scale) {
        count = scale == Scale.TINY ? 5 : 100;
        graph = device.capture(() -> {
            for (int turn = 0; turn < count; turn++) {
                call.queue(turn);
            }
        });
    }

    int count() {
        return count;
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
