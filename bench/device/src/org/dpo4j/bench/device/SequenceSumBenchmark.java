package org.dpo4j.bench.device;

import java.util.Arrays;
import java.util.stream.IntStream;
import org.dpo4j.bench.device.Benchmark.Prepared;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.SequenceSum;
import org.dpo4j.kernels.SequenceSum.Sequences;
import org.dpo4j.testkit.Tolerance;

/** Sums of one value per token over completions of equal length. */
final class SequenceSumBenchmark {
    private SequenceSumBenchmark() {}

    static Prepared forward(Fixture fixture) {
        int sequences = fixture.count("sequences");
        int tokens = fixture.count("tokens");
        Operand values = fixture.normal(DType.F32, 1, (long) sequences * tokens);
        Operand sums = fixture.zeros(DType.F32, sequences);
        Operand offsets = offsets(fixture, sequences, tokens);
        return new Prepared(
                turn -> SequenceSum.forward(
                        fixture.device(), sums.at(turn), values.at(turn), new Sequences(offsets.at(turn), sequences)),
                gate -> {
                    for (int s : fixture.sample(sequences)) {
                        double[] terms = values.row(s, tokens);
                        double expected = Arrays.stream(terms).sum();
                        double magnitude = Arrays.stream(terms).map(Math::abs).sum();
                        double allowed = Tolerance.roundedOnce(expected) + 2 * Tolerance.doubles(tokens, magnitude);
                        gate.value("sums[" + s + "]", expected, sums.read(s), allowed);
                    }
                });
    }

    static Prepared backward(Fixture fixture) {
        int sequences = fixture.count("sequences");
        int tokens = fixture.count("tokens");
        Operand dValues = fixture.zeros(DType.F32, (long) sequences * tokens);
        Operand dSums = fixture.normal(DType.F32, 1, sequences);
        Operand offsets = offsets(fixture, sequences, tokens);
        return new Prepared(
                turn -> SequenceSum.backward(
                        fixture.device(), dValues.at(turn), dSums.at(turn), new Sequences(offsets.at(turn), sequences)),
                gate -> {
                    for (int s : fixture.sample(sequences)) {
                        gate.value("d_values", dSums.read(s), dValues.read((s + 1L) * tokens - 1), 0);
                    }
                });
    }

    private static Operand offsets(Fixture fixture, int sequences, int tokens) {
        return fixture.ints(
                IntStream.rangeClosed(0, sequences).map(s -> s * tokens).toArray());
    }
}
