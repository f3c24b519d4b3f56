package org.dpo4j.bench.device;

import java.util.function.BiConsumer;
import java.util.function.IntFunction;
import org.dpo4j.bench.device.Benchmark.Prepared;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.decoder.AdamW8bit;
import org.dpo4j.kernels.decoder.AdamWOptions;
import org.dpo4j.kernels.decoder.Lerp;
import org.dpo4j.kernels.decoder.Lion;
import org.dpo4j.kernels.decoder.RmsProp;
import org.dpo4j.kernels.decoder.Sgd;
import org.dpo4j.kernels.decoder.WeightUpdate;
import org.dpo4j.testkit.Bounded;
import org.dpo4j.testkit.ReferenceLion;
import org.dpo4j.testkit.ReferenceRmsProp;
import org.dpo4j.testkit.ReferenceSgd;
import org.dpo4j.testkit.Tolerance;

/** The optimizers besides adamw, in their first step, from weights of 0 with master weights; and lerp. */
final class UpdateBenchmark {
    private static final float RATE = 1e-6f;

    private UpdateBenchmark() {}

    /** Weights and inputs of an optimizer. */
    private record Weights(Fixture fixture, Operand parameter, Operand master, Operand gradient, Operand rates) {
        static Weights place(Fixture fixture) {
            long count = fixture.at("count");
            return new Weights(
                    fixture,
                    fixture.zeros(count),
                    fixture.zeros(DType.F32, fixture.dtype() == DType.F32 ? 1 : count),
                    fixture.normal(DType.F32, 1, count),
                    fixture.floats(RATE, 1, 1));
        }

        WeightUpdate at(int turn) {
            boolean hasMaster = fixture.dtype() != DType.F32;
            return new WeightUpdate(
                    new WeightUpdate.Parameters(parameter.at(turn), hasMaster ? master.at(turn) : 0, fixture.dtype()),
                    new WeightUpdate.Inputs(gradient.at(turn), rates.at(turn), 0),
                    fixture.at("count"),
                    WeightUpdate.Rounding.NEAREST);
        }

        Operand state() {
            return fixture.zeros(DType.F32, fixture.at("count"));
        }

        Prepared checked(BiConsumer<WeightUpdate, Integer> step, IntFunction<Bounded> expected) {
            Operand exact = fixture.dtype() == DType.F32 ? parameter : master;
            int[] sample = fixture.sample(fixture.at("count"));
            return new Prepared(turn -> step.accept(at(turn), turn), gate -> {
                for (int i : sample) {
                    Bounded weight = expected.apply(i);
                    gate.value("weight", weight.value(), exact.read(i), weight.error());
                }
            });
        }

        Bounded gradientAt(int i) {
            return Bounded.exact(gradient.read(i));
        }
    }

    static Prepared sgd(Fixture fixture) {
        Weights weights = Weights.place(fixture);
        Operand velocity = weights.state();
        Sgd.Options options = new Sgd.Options(0.9, 0, 0.1, false);
        return weights.checked(
                (update, turn) -> Sgd.step(fixture.device(), update, velocity.at(turn), 0, options), i -> {
                    ReferenceSgd reference = new ReferenceSgd(Bounded.exact(0));
                    reference.step(weights.gradientAt(i), RATE, 1, 0.9, 0.1, false);
                    return reference.parameter;
                });
    }

    static Prepared rmsprop(Fixture fixture) {
        Weights weights = Weights.place(fixture);
        Operand square = weights.state();
        RmsProp.Options options = new RmsProp.Options(0.99, 1e-8, 0, 0);
        return weights.checked(
                (update, turn) ->
                        RmsProp.step(fixture.device(), update, new RmsProp.State(square.at(turn), 0, 0), options),
                i -> {
                    ReferenceRmsProp reference = new ReferenceRmsProp(Bounded.exact(0));
                    reference.step(weights.gradientAt(i), RATE, new ReferenceRmsProp.Options(0.99, 1e-8, 0, 0, false));
                    return reference.parameter;
                });
    }

    static Prepared lion(Fixture fixture) {
        Weights weights = Weights.place(fixture);
        Operand m = weights.state();
        return weights.checked(
                (update, turn) -> Lion.step(fixture.device(), update, m.at(turn), new Lion.Options(0.9, 0.99, 0.1)),
                i -> {
                    ReferenceLion reference = new ReferenceLion(Bounded.exact(0));
                    reference.step(weights.gradientAt(i), RATE, 0.9, 0.99, 0.1);
                    return reference.parameter;
                });
    }

    /** The first step of Adam has length lr, up to epsilon. */
    static Prepared adamw8bit(Fixture fixture) {
        Weights weights = Weights.place(fixture);
        long count = fixture.at("count");
        Operand m = fixture.zeros(DType.F32, count / Integer.BYTES + 1);
        Operand v = fixture.zeros(DType.F32, count / Integer.BYTES + 1);
        Operand mMax = fixture.zeros(DType.F32, AdamW8bit.blocks(count));
        Operand vMax = fixture.zeros(DType.F32, AdamW8bit.blocks(count));
        AdamWOptions options = new AdamWOptions(0.5, 0.5, 1e-8, 0);
        return weights.checked(
                (update, turn) -> AdamW8bit.step(
                        fixture.device(),
                        update,
                        new AdamW8bit.Moments(m.at(turn), v.at(turn), mMax.at(turn), vMax.at(turn)),
                        options),
                i -> {
                    Bounded half = Bounded.exact(0.5);
                    Bounded g = weights.gradientAt(i);
                    Bounded root = half.times(g.times(g)).root().plus(Bounded.rounded(1e-8));
                    return Bounded.exact(0)
                            .minus(Bounded.exact(RATE).times(half.times(g)).dividedBy(root));
                });
    }

    static Prepared lerp(Fixture fixture) {
        long count = fixture.at("count");
        Operand average = fixture.zeros(DType.F32, count);
        Operand in = fixture.normal(1, count);
        int[] sample = fixture.sample(count);
        return new Prepared(
                turn -> Lerp.compute(
                        fixture.device(),
                        new Lerp.Array(average.at(turn), DType.F32),
                        new Lerp.Array(in.at(turn), fixture.dtype()),
                        0,
                        count,
                        0.5f),
                gate -> {
                    for (int i : sample) {
                        double expected = 0.5 * in.read(i);
                        gate.value("average", expected, average.read(i), Tolerance.U * Math.abs(expected));
                    }
                });
    }
}
