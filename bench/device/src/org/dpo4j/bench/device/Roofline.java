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
 * What bounds an operation. It is timed in turns with it.
 *
 * @param name in the results
 * @param preparation of its own call; null for none
 * @param isBytes whether it bounds bytes per second, else FLOPs
 * @param work of its own call, in those
 */
record Roofline(String name, @Nullable Preparation preparation, boolean isBytes, ToDoubleFunction<Fixture> work) {

    /** For what is bound by its launch, and for rooflines themselves. */
    static final Roofline NONE = new Roofline("none", null, true, fixture -> 0);

    /** {@link org.dpo4j.kernels.Device#copy}, which is cudaMemcpyAsync on the device: each byte is read and written. */
    static final Roofline COPY =
            new Roofline("copy", fixture -> copy(fixture, copied(fixture)), true, fixture -> 2.0 * copied(fixture));

    /** A large square product in bf16, of random numbers: what tensor cores reach under its power. */
    static final Roofline SQUARE_PRODUCT = new Roofline(
            "square product",
            fixture -> MatmulBenchmark.fastest(fixture, List.of(square(fixture))),
            false,
            fixture -> square(fixture).flops());

    /** Log-probs of the same head in chunks of logits, which every device has. */
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

    /** gradient_norm, which reads fp32 and writes 8 bytes. */
    static Prepared read(Fixture fixture) {
        long count = fixture.at("bytes") / Float.BYTES;
        Operand norm = fixture.zeros(DType.F32, 2);
        Operand gradient = fixture.normal(DType.F32, 1, count);
        long workspace = fixture.workspace(GradientNorm.workspaceBytes(count));
        double expected = Math.sqrt((double) count);
        return new Prepared(
                turn -> GradientNorm.compute(fixture.device(), norm.at(turn), workspace, gradient.at(turn), count, 1),
                // Squares of normal numbers have a mean of 1; that of the pool is within some sqrt(2 / count) of it.
                gate -> gate.value("norm", expected, norm.read(0), 0.05 * expected));
    }
}
