package org.dpo4j.bench.device;

import org.dpo4j.bench.device.Benchmark.Prepared;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.decoder.AdamW;
import org.dpo4j.kernels.decoder.AdamW.Rounding;
import org.dpo4j.kernels.decoder.AdamWOptions;
import org.dpo4j.kernels.decoder.GradientNorm;

/** gradient_norm and adamw. */
final class OptimizerBenchmark {
    private static final int CHUNK = 1 << 20;
    private static final float RATE = 1e-6f;

    /** Roundings of a first step, relative: 1 - beta, products, root, sums and quotient are ten; m and v have fewer. */
    private static final double STEP = 10 * 0x1p-24;

    /** How far bf16 neighbours are from each other at most, as a share of the value. */
    private static final double NEIGHBOURS = 0x1p-7;

    private OptimizerBenchmark() {}

    static Prepared gradientNorm(Fixture fixture) {
        long count = fixture.at("count");
        Tensor norm = fixture.zeros(DType.F32, 2);
        Tensor gradient = fixture.normal(DType.F32, 1, count);
        long workspace = fixture.workspace(GradientNorm.workspaceBytes(count));
        return new Prepared(
                turn -> GradientNorm.compute(fixture.device(), norm.at(turn), workspace, gradient.at(turn), count, 1),
                gate -> {
                    double squares = 0;
                    for (long begin = 0; begin < count; begin += CHUNK) {
                        double[] of = gradient.read(begin, (int) Math.min(CHUNK, count - begin));
                        squares += Reference.dot(of, of);
                    }
                    double expected = Math.sqrt(squares);
                    gate.values(
                            "norm",
                            new double[] {expected, Math.min(1, 1 / (expected + 1e-6))},
                            norm.read(0, 2),
                            Gate.sum(0, DType.F32));
                });
    }

    /** Rounding {@code stochastic}: bf16 without a master. */
    static boolean isStochastic(Shape shape) {
        return shape.has("rounding", "stochastic");
    }

    /** Storage of m and v: f32 where {@code moments} does not say. */
    static DType moments(Shape shape) {
        return shape.has("moments", "BF16") ? DType.BF16 : DType.F32;
    }

    /** What a step moves of an element: m, v and parameter in and out, the gradient in; beside a master, that in and out and the parameter out. */
    static double bytesOfAnElement(Shape shape) {
        int parameter = shape.dtype().bytes();
        boolean split = shape.dtype() != DType.F32 && !isStochastic(shape);
        return 4.0 * moments(shape).bytes() + Float.BYTES + (split ? 2 * Float.BYTES + parameter : 2 * parameter);
    }

    static Prepared adamw(Fixture fixture) {
        long count = fixture.at("count");
        DType dtype = fixture.dtype();
        boolean split = dtype != DType.F32 && !isStochastic(fixture.shape());
        Rounding rounding = isStochastic(fixture.shape())
                ? Rounding.stochastic(fixture.ints(42, 0, 1).base(), 0)
                : Rounding.NEAREST;
        Tensor parameter = fixture.updated(fixture.normal(0.02, count));
        Tensor master = fixture.zeros(DType.F32, split ? count : 1);
        DType moments = moments(fixture.shape());
        Tensor m = fixture.zeros(moments, count);
        Tensor v = fixture.zeros(moments, count);
        Tensor gradient = fixture.normal(DType.F32, 1, count);
        Tensor rates = fixture.floats(RATE, 10, 1000);
        return new Prepared(
                turn -> AdamW.step(
                        fixture.device(),
                        new AdamW.Parameters(parameter.at(turn), split ? master.at(turn) : 0, dtype),
                        new AdamW.Moments(m.at(turn), v.at(turn), moments),
                        new AdamW.Inputs(gradient.at(turn), rates.at(turn), 0),
                        count,
                        rounding,
                        AdamWOptions.DEFAULT),
                check(fixture, parameter, split ? master : parameter, m, v, gradient));
    }

    /**
     * A first step: m = 0.1 g, v = 0.001 g^2, and the parameter moves by the rate, against the sign of g. What is rounded stochastically
     * is off by less than the distance of bf16 neighbours.
     *
     * @param exact the master, which begins at 0; or the parameter
     */
    private static Benchmark.Check check(
            Fixture fixture, Tensor parameter, Tensor exact, Tensor m, Tensor v, Tensor gradient) {
        boolean split = exact != parameter;
        double stored = isStochastic(fixture.shape()) ? NEIGHBOURS : Gate.sum(0, fixture.dtype());
        double ofMoments = moments(fixture.shape()) == DType.BF16 ? NEIGHBOURS : 0;
        int[] sample = fixture.sample(fixture.at("count"));
        double[] before = new double[sample.length];
        for (int i = 0; i < sample.length; i++) {
            before[i] = split ? 0 : parameter.read(sample[i]);
        }
        return gate -> {
            double share = Gate.sum(4, DType.F32);
            for (int i = 0; i < sample.length; i++) {
                double g = gradient.read(sample[i]);
                double moved = before[i] - RATE * g / (Math.abs(g) + 1e-8);
                double bound = share * (Math.abs(before[i]) + RATE);
                gate.values(
                        "m and v",
                        new double[] {0.1 * g, 0.001 * g * g},
                        new double[] {m.read(sample[i]), v.read(sample[i])},
                        STEP + ofMoments);
                if (split) {
                    gate.value("master", moved, exact.read(sample[i]), bound + STEP * RATE);
                }
                gate.value(
                        "stored parameter",
                        moved,
                        parameter.read(sample[i]),
                        bound + STEP * RATE + stored * Math.abs(moved));
            }
        };
    }
}
