package org.dpo4j.bench.device;

import java.util.List;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;
import org.dpo4j.bench.device.Benchmark.Preparation;
import org.dpo4j.bench.device.Benchmark.Prepared;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.decoder.GradientNorm;
import org.jspecify.annotations.Nullable;

/**
 * The upper bound on the speed of an operation, measured by another call. Both are timed alternately.
 *
 * @param name in the results
 * @param preparation prepares the roofline's call; null if there is none
 * @param isBytes whether the bound is in bytes per second, else in FLOPs per second
 * @param work bytes or FLOPs of the roofline's call
 */
record Roofline(String name, @Nullable Preparation preparation, boolean isBytes, ToDoubleFunction<Fixture> work) {

    /** For operations that are bound by launch latency, and for the rooflines themselves. */
    static final Roofline NONE = new Roofline("none", null, true, fixture -> 0);

    /** {@link org.dpo4j.kernels.Device#copy}, which is cudaMemcpyAsync on the device: each byte is read and written. */
    static final Roofline COPY =
            new Roofline("copy", fixture -> copy(fixture, copied(fixture)), true, fixture -> 2.0 * copied(fixture));

    /** gradient_norm, which reads fp32 and writes 8 bytes. */
    static final Roofline READ =
            new Roofline("read", fixture -> read(fixture, copied(fixture)), true, fixture -> (double) copied(fixture));

    /** A large square product of random numbers: the speed of tensor cores at the power that this product draws. */
    static final Roofline SQUARE_PRODUCT = new Roofline(
            "square product",
            fixture -> MatmulBenchmark.fastest(fixture, List.of(square(fixture))),
            false,
            fixture -> square(fixture).flops());

    /** Log-probs of the same head from chunks of logits, which every device can compute. */
    static final Roofline CHUNKS = new Roofline(
            "chunks",
            LmHeadBenchmark::forwardInChunks,
            false,
            fixture -> LmHeadBenchmark.flopsForward(fixture.shape()));

    /** The matrix products of the operation alone, each by the fastest algorithm that cuBLASLt proposes. */
    static Roofline products(Function<Shape, List<Product>> products) {
        return new Roofline(
                "products",
                fixture -> MatmulBenchmark.fastest(fixture, products.apply(fixture.shape())),
                false,
                fixture -> products.apply(fixture.shape()).stream()
                        .mapToDouble(Product::flops)
                        .sum());
    }

    private static long copied(Fixture fixture) {
        return switch (fixture.numbers().scale()) {
            case GPU -> 512L << 20;
            case CPU -> 64L << 20;
            case TINY -> 1L << 20;
        };
    }

    private static Product square(Fixture fixture) {
        int size = switch (fixture.numbers().scale()) {
            case GPU -> 8192;
            case CPU -> 1024;
            case TINY -> 64;
        };
        return Product.forward(size, size, size, fixture.dtype());
    }

    // ---- the memory of this machine, as benchmarks of their own

    static Prepared copy(Fixture fixture) {
        return copy(fixture, fixture.at("bytes"));
    }

    private static Prepared copy(Fixture fixture, long bytes) {
        Operand to = fixture.zeros(DType.F32, bytes / Float.BYTES);
        Operand from = fixture.normal(DType.F32, 1, bytes / Float.BYTES);
        return new Prepared(
                turn -> fixture.device().copy(to.at(turn), from.at(turn), bytes),
                gate -> gate.value("last", from.read(from.count() - 1), to.read(to.count() - 1), 0));
    }

    /** cudaMemsetAsync. */
    static Prepared write(Fixture fixture) {
        Operand to = fixture.zeros(DType.F32, fixture.at("bytes") / Float.BYTES);
        return new Prepared(
                turn -> fixture.device().fill(to.at(turn), 0x11, fixture.at("bytes")),
                gate -> gate.value("last", Float.intBitsToFloat(0x11111111), to.read(to.count() - 1), 0));
    }

    static Prepared read(Fixture fixture) {
        return read(fixture, fixture.at("bytes"));
    }

    private static Prepared read(Fixture fixture, long bytes) {
        long count = bytes / Float.BYTES;
        Operand norm = fixture.zeros(DType.F32, 2);
        Operand gradient = fixture.normal(DType.F32, 1, count);
        long workspace = fixture.workspace(GradientNorm.workspaceBytes(count));
        double expected = Math.sqrt((double) count);
        return new Prepared(
                turn -> GradientNorm.compute(fixture.device(), norm.at(turn), workspace, gradient.at(turn), count, 1),
                // The squares of normal numbers have mean 1; the mean in the pool differs by a few sqrt(2 / count).
                gate -> gate.value("norm", expected, norm.read(0), 0.05 * expected));
    }
}
