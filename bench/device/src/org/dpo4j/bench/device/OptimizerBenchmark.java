package org.dpo4j.bench.device;

import org.dpo4j.bench.device.Benchmark.Check;
import org.dpo4j.bench.device.Benchmark.Prepared;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.decoder.AdamW;
import org.dpo4j.kernels.decoder.AdamWOptions;
import org.dpo4j.kernels.decoder.CountStep;
import org.dpo4j.kernels.decoder.GradientNorm;
import org.dpo4j.kernels.decoder.WeightUpdate;
import org.dpo4j.kernels.decoder.WeightUpdate.Rounding;
import org.dpo4j.testkit.ReferenceAdamW;
import org.dpo4j.testkit.ReferenceGradientNorm;
import org.dpo4j.testkit.Tolerance;

/** gradient_norm, count_step and adamw. */
final class OptimizerBenchmark {
    private static final int CHUNK = 1 << 20;
    private static final float RATE = 1e-6f;
    /** Correction factors 1 / (1 - beta^t) as the call receives them. */
    private static final float[] CORRECTIONS = {10, 1000};

    private OptimizerBenchmark() {}

    static Prepared gradientNorm(Fixture fixture) {
        long count = fixture.at("count");
        Operand norm = fixture.zeros(DType.F32, 2);
        Operand gradient = fixture.normal(DType.F32, 1, count);
        long workspace = fixture.workspace(GradientNorm.workspaceBytes(count));
        return new Prepared(
                turn -> GradientNorm.compute(fixture.device(), norm.at(turn), workspace, gradient.at(turn), count, 1),
                gate -> {
                    double expected = 0;
                    for (long begin = 0; begin < count; begin += CHUNK) {
                        int length = (int) Math.min(CHUNK, count - begin);
                        expected = Math.hypot(expected, ReferenceGradientNorm.norm(gradient.read(begin, length)));
                    }
                    double[] values = {expected, ReferenceGradientNorm.clip(expected, 1)};
                    // Squares and sums are computed in fp64. The norm is rounded once, the clip factor twice.
                    gate.values(
                            "norm and clip factor",
                            values,
                            norm.read(0, 2),
                            i -> (i + 1) * Tolerance.roundedOnce(values[i])
                                    + Tolerance.doubles(fixture.count("count"), values[i]));
                });
    }

    /** The first step, with sums of 0. */
    static Prepared countStep(Fixture fixture) {
        long count = fixture.at("count");
        Operand clip = fixture.zeros(DType.F32, 1);
        Operand steps = fixture.zeros(DType.F32, 1);
        Operand corrections = fixture.zeros(DType.F32, 2);
        Operand sums = fixture.zeros(DType.F32, 2 * count);
        Operand kept = fixture.zeros(DType.F32, 2 * count);
        return new Prepared(
                turn -> CountStep.compute(
                        fixture.device(),
                        new CountStep.Step(clip.at(turn), steps.at(turn), sums.at(turn)),
                        new CountStep.Sums(sums.at(turn), kept.at(turn), count),
                        new CountStep.Corrections(corrections.at(turn), 0.5, 0.75)),
                gate -> gate.values("bias corrections", new double[] {2, 4}, corrections.read(0, 2), i -> 0));
    }

    /** With {@code rounding stochastic}: bf16 parameters without fp32 master weights. */
    static boolean isStochastic(Shape shape) {
        return shape.has("rounding", "stochastic");
    }

    /** Storage of m and v; f32 if the shape has no {@code moments}. */
    static DType moments(Shape shape) {
        return shape.has("moments", "BF16") ? DType.BF16 : DType.F32;
    }

    private static boolean hasMaster(Shape shape) {
        return shape.dtype() != DType.F32 && !isStochastic(shape);
    }

    /**
     * Bytes that a step moves per element: m, v and the master weight are read and written, the gradient is read, and
     * the parameter is written. Without a master weight, the parameter is read too.
     */
    static double bytesOfAnElement(Shape shape) {
        int parameter = shape.dtype().bytes();
        return 4.0 * moments(shape).bytes()
                + Float.BYTES
                + (hasMaster(shape) ? 2 * Float.BYTES + parameter : 2 * parameter);
    }

    static Prepared adamw(Fixture fixture) {
        long count = fixture.at("count");
        DType dtype = fixture.dtype();
        DType moments = moments(fixture.shape());
        boolean hasMaster = hasMaster(fixture.shape());
        Rounding rounding = isStochastic(fixture.shape())
                ? Rounding.stochastic(fixture.ints(42, 0, 1).base(), 0)
                : Rounding.NEAREST;
        Operand parameter = fixture.updated(fixture.normal(0.02, count));
        Operand master = fixture.zeros(DType.F32, hasMaster ? count : 1);
        Operand m = fixture.zeros(moments, count);
        Operand v = fixture.zeros(moments, count);
        Operand gradient = fixture.normal(DType.F32, 1, count);
        Operand rates = fixture.floats(RATE, CORRECTIONS[0], CORRECTIONS[1]);
        return new Prepared(
                turn -> AdamW.step(
                        fixture.device(),
                        new WeightUpdate(
                                new WeightUpdate.Parameters(parameter.at(turn), hasMaster ? master.at(turn) : 0, dtype),
                                new WeightUpdate.Inputs(gradient.at(turn), rates.at(turn), 0),
                                count,
                                rounding),
                        new AdamW.Moments(m.at(turn), v.at(turn), moments),
                        AdamWOptions.DEFAULT),
                firstStep(fixture, parameter, hasMaster ? master : parameter, m, v, gradient));
    }

    /**
     * Checks a first step, from moments that are 0.
     *
     * @param exact the master weights, which begin at 0, or the parameters if there are none
     */
    private static Check firstStep(
            Fixture fixture, Operand parameter, Operand exact, Operand m, Operand v, Operand gradient) {
        AdamWOptions o = AdamWOptions.DEFAULT;
        int[] sample = fixture.sample(fixture.at("count"));
        double[] before = new double[sample.length];
        for (int i = 0; i < sample.length; i++) {
            before[i] = exact == parameter ? parameter.read(sample[i]) : 0;
        }
        return gate -> {
            for (int i = 0; i < sample.length; i++) {
                double g = gradient.read(sample[i]);
                ReferenceAdamW reference = new ReferenceAdamW(before[i], 0, 0);
                reference.step(1, g, RATE, o.beta1(), o.beta2(), o.epsilon(), o.weightDecay());
                double ofM = Tolerance.moment(0, reference.m) + Float.MIN_NORMAL;
                double ofV = Tolerance.moment(0, reference.v) + Float.MIN_NORMAL;
                double slope = RATE * CORRECTIONS[0] / (Math.sqrt(CORRECTIONS[1] * reference.v) + o.epsilon());
                double kept = before[i] * (1 - RATE * o.weightDecay());
                double ofParameter =
                        Tolerance.adamw(kept, slope * reference.m, slope, ofM, ofV / reference.v) + Float.MIN_NORMAL;
                gate.value("m", reference.m, m.read(sample[i]), stored(m, reference.m, ofM));
                gate.value("v", reference.v, v.read(sample[i]), stored(v, reference.v, ofV));
                gate.value(
                        "master or parameter",
                        reference.parameter,
                        exact.read(sample[i]),
                        stored(exact, reference.parameter, ofParameter));
                gate.value(
                        "parameter",
                        reference.parameter,
                        parameter.read(sample[i]),
                        stored(parameter, reference.parameter, ofParameter));
            }
        };
    }

    /** Stochastic rounding may give either bf16 neighbour; these differ by up to 2^-7 of the value. */
    private static double stored(Operand operand, double value, double error) {
        return error + (operand.storage().bytes == 2 ? 0x1p-7 * (Math.abs(value) + error) : 0);
    }
}
