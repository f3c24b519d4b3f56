package org.dpo4j.bench.device;

import java.util.List;
import java.util.Map;
import org.dpo4j.io.SafeTensors;

/**
 * A line of the table of benchmarks.
 *
 * @param name name of the operation, as in dpo4j.h
 * @param work the work of a call
 * @param roofline the operation that bounds its speed
 * @param preparation makes its tensors, its call and its gate
 */
record Benchmark(String name, Work work, Roofline roofline, Preparation preparation, Shapes shapes) {

    /** A number that is computed from a shape. */
    interface Count {
        double of(Shape shape);
    }

    /**
     * The work of a call.
     *
     * @param bytes the min number of bytes that it moves: each tensor once; 0 if FLOPs bound it
     * @param flops its FLOPs; 0 if bytes bound it
     * @param counts of elements, pairs or tokens, for rates per second
     */
    record Work(Count bytes, Count flops, Map<String, Count> counts) {
        static Work bytes(Count bytes) {
            return new Work(bytes, shape -> 0, Map.of());
        }

        static Work flops(Count flops) {
            return new Work(shape -> 0, flops, Map.of());
        }
    }

    /**
     * Shapes by scale.
     *
     * @param cpu empty for most operations, which are not measured on a CPU
     */
    record Shapes(List<Shape> gpu, List<Shape> cpu, List<Shape> tiny) {
        List<Shape> of(Scale scale) {
            return switch (scale) {
                case GPU -> gpu;
                case CPU -> cpu;
                case TINY -> tiny;
            };
        }
    }

    /** Queues the work of one call. Turn t uses copy t modulo the number of copies of each tensor. */
    interface Call {
        void queue(int turn);
    }

    /** Compares the results of the call for turn 0 with the expected ones. */
    interface Check {
        void run(Gate gate);
    }

    /**
     * A call that is ready to be timed.
     *
     * @param close releases resources other than the fixture's tensors
     * @param isRepeatable whether repeated calls on the same tensors give the same bits, because the call has no state
     */
    record Prepared(Call call, Check check, AutoCloseable close, boolean isRepeatable) {

        Prepared(Call call, Check check) {
            this(call, check, () -> {}, true);
        }
    }

    interface Preparation {
        Prepared prepare(Fixture fixture);
    }

    /**
     * The number of copies of each tensor. Calls use one copy after another, so that no copy is still in L2 (60 MB at
     * most).
     */
    int copies(Shape shape, Scale scale) {
        return switch (scale) {
            case GPU -> {
                double moved = work.bytes.of(shape);
                yield moved < LAUNCH_BOUND_BYTES ? 1 : (int) Math.ceil(L2_BYTES / moved);
            }
            case CPU -> 1;
            case TINY -> 2;
        };
    }

    /**
     * Whether launch latency bounds a call. Such a call uses one copy of its tensors, in L2, as in training, where the
     * kernel before it has just written them. A step of a model is not one: it waits for the device.
     */
    boolean isLaunchBound(Shape shape) {
        double moved = work.bytes.of(shape);
        return moved > 0 && moved < LAUNCH_BOUND_BYTES && !shape.parameters().containsKey("model");
    }

    /** Bytes of model weights that the preparation writes to disk and reads again; 0 without a model. */
    static double bytesOnDisk(Shape shape) {
        if (!shape.parameters().containsKey("model")) {
            return 0;
        }
        return SafeTensors.bytes(ModelShape.of(shape).tensors());
    }

    private static final double LAUNCH_BOUND_BYTES = 1 << 20;

    private static final double L2_BYTES = 4 * 60e6;
}
