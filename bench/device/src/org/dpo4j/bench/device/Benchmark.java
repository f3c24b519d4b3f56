package org.dpo4j.bench.device;

import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * A line of the table of benchmarks.
 *
 * @param name of the operation, as in dpo4j.h
 * @param bytes that a call must move at least: each tensor once
 * @param flops of a call; 0 where the bytes bound it
 * @param counts what else a call does so many of, for a rate a second: elements, pairs, tokens
 * @param roofline what bounds it
 * @param preparation makes its tensors, its call and its gate
 * @param shapes on a GPU
 * @param tiny on the cpu, and emulated: to see it run
 */
record Benchmark(
        String name,
        Count bytes,
        Count flops,
        Map<String, Count> counts,
        Roofline roofline,
        Preparation preparation,
        List<Shape> shapes,
        List<Shape> tiny) {

    /** A number that follows from a shape. */
    interface Count {
        double of(Shape shape);
    }

    /** Queues the work of one call; {@code turn} says which of the rotating tensors it uses. */
    interface Call {
        void queue(int turn);
    }

    /** Compares what the call for turn 0 has written with what it ought to be. */
    interface Check {
        void run(Gate gate);
    }

    /**
     * Ready to be timed.
     *
     * @param close what there is to close besides the fixture's tensors
     * @param repeats whether a call on the fixture's tensors as they were leaves the same bits: it has no state of its own
     */
    record Prepared(Call call, Check check, AutoCloseable close, boolean repeats) {

        Prepared(Call call, Check check) {
            this(call, check, () -> {}, true);
        }
    }

    interface Preparation {
        Prepared prepare(Fixture fixture);
    }

    /** Copies of its tensors that a call takes in turn, so that none is found in the second-level cache (60 MB on the largest). */
    int copies(Shape shape) {
        double moved = bytes.of(shape);
        return moved < LAUNCH_BOUND_BYTES ? 1 : (int) Math.ceil(CACHE_BYTES / moved);
    }

    /** Whether a call costs its launch, wherever its tensors are; in training a kernel before it has just written them. */
    boolean isLaunchBound(Shape shape) {
        double moved = bytes.of(shape);
        return moved > 0 && moved < LAUNCH_BOUND_BYTES;
    }

    /** What its preparation writes to disk and reads again: the weights of a model. */
    static double bytesOnDisk(Shape shape) {
        if (!shape.parameters().containsKey("model")) {
            return 0;
        }
        double weights = ModelShape.of(shape).tensors().values().stream()
                .mapToDouble(sizes -> Arrays.stream(sizes).asDoubleStream().reduce(1, (a, b) -> a * b))
                .sum();
        return weights * shape.dtype().bytes();
    }

    private static final double LAUNCH_BOUND_BYTES = 1 << 20;

    private static final double CACHE_BYTES = 4 * 60e6;
}
