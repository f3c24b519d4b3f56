package org.dpo4j.bench.device;

import java.util.List;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;
import org.dpo4j.bench.device.Benchmark.Preparation;
import org.dpo4j.bench.device.Benchmark.Prepared;
import org.dpo4j.kernels.DType;
import org.jspecify.annotations.Nullable;

/**
 * What bounds an operation, timed in turns with it.
 *
 * @param name in the results
 * @param preparation of its own call; null for none
 * @param bytes whether it bounds bytes a second; else FLOPs
 * @param work of its own call, in those
 */
record Roofline(String name, @Nullable Preparation preparation, boolean bytes, ToDoubleFunction<Fixture> work) {
    private static final long COPIED = 512L << 20;
    private static final long COPIED_TINY = 1 << 20;
    private static final int SQUARE = 8192;
    private static final int SQUARE_TINY = 64;

    /** What costs a launch, or is a roofline itself. */
    static final Roofline NONE = new Roofline("none", null, true, fixture -> 0);

    /** {@link org.dpo4j.kernels.Device#copy}, which is cudaMemcpyAsync from device to device: each byte read and written. */
    static final Roofline COPY = new Roofline("copy", Roofline::copy, true, fixture -> 2.0 * copied(fixture));

    /** A large square product in bf16, of random numbers: what tensor cores give at this power. */
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

    /** The same products by cuBLASLt alone, each as fast as it has it. */
    static Roofline products(Function<Shape, List<Product>> of) {
        return new Roofline(
                "products",
                fixture -> MatmulBenchmark.fastest(fixture, of.apply(fixture.shape())),
                false,
                fixture -> of.apply(fixture.shape()).stream()
                        .mapToDouble(Product::flops)
                        .sum());
    }

    private static Prepared copy(Fixture fixture) {
        long bytes = copied(fixture);
        Tensor to = fixture.zeros(DType.F32, bytes / Float.BYTES);
        Tensor from = fixture.normal(DType.F32, 1, bytes / Float.BYTES);
        return new Prepared(turn -> fixture.device().copy(to.at(turn), from.at(turn), bytes), gate -> {});
    }

    private static long copied(Fixture fixture) {
        return fixture.tiny() ? COPIED_TINY : COPIED;
    }

    private static Product square(Fixture fixture) {
        int size = fixture.tiny() ? SQUARE_TINY : SQUARE;
        return Product.forward(size, size, size, fixture.dtype());
    }
}
