package org.dpo4j.bench.device;

import java.util.List;
import java.util.Map;
import org.dpo4j.io.SafeTensors;

/**
 * A line of the table of benchmarks.
 *
 * @param name of the operation, as in dpo4j.h
 * @param work of a call
 * @param roofline what bounds it
 * @param preparation makes its tensors, its call and its gate
 */
record Benchmark(String name, Work work, Roofline roofline, Preparation preparation, Shapes shapes) {

    /** A number that follows from a shape. */
    interface Count {
        double of(Shape shape);
    }

    /**
     * What a call does.
     *
     * @param bytes that it must move at least, each tensor once; 0 where the FLOPs bound it
     * @param flops 0 where the bytes bound it
     * @param counts numbers of other things, for a rate per second: elements, pairs, tokens
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
     * @param cpu none for most: a CPU measures few operations
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

    /** Queues the work of one call, on the copies of the tensors whose turn it is. */
    interface Call {
        void queue(int turn);
    }

    /** Compares what the call for turn 0 has written with what it should be. */
    interface Check {
        void run(Gate gate);
    }

    /**
     * Ready to be timed.
     *
     * @param close closes what it holds besides the fixture's tensors
     * @param isRepeatable whether a call on the same tensors leaves the same bits: it has no state of its own
     */
    record Prepared(Call call, Check check, AutoCloseable close, boolean isRepeatable) {

        Prepared(Call call, Check check) {
            this(call, check, () -> {}, true);
        }
    }

    interface Preparation {
        Prepared prepare(Fixture fixture);
    }

    /** Copies of its tensors that calls use in turn, so that a GPU finds none of them in L2 (60 MB on the largest). */
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

    /** Whether the time of a call is that of its launch, wherever its tensors are; in training, a kernel before it has just written them. */
    boolean isLaunchBound(Shape shape) {
        double moved = work.bytes.of(shape);
        return moved > 0 && moved < LAUNCH_BOUND_BYTES;
    }

    /** Bytes that its preparation writes to disk and reads again: the weights of a model. */
    static double bytesOnDisk(Shape shape) {
        if (!shape.parameters().containsKey("model")) {
            return 0;
        }
        return SafeTensors.bytes(ModelShape.of(shape).tensors());
    }

    private static final double LAUNCH_BOUND_BYTES = 1 << 20;

    private static final double L2_BYTES = 4 * 60e6;
}
