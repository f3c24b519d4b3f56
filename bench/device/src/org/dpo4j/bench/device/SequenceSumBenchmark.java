package org.dpo4j.bench.device;

import java.util.stream.IntStream;
import org.dpo4j.bench.device.Benchmark.Prepared;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.SequenceSum;
import org.dpo4j.kernels.SequenceSum.Sequences;

/** Sums of a value a token over completions of one length. */
final class SequenceSumBenchmark {
    private SequenceSumBenchmark() {}

    static Prepared forward(Fixture fixture) {
        int sequences = fixture.shape().count("sequences");
        int tokens = fixture.shape().count("tokens");
        Tensor values = fixture.normal(DType.F32, 1, (long) sequences * tokens);
        Tensor sums = fixture.zeros(DType.F32, sequences);
        Tensor offsets = offsets(fixture, sequences, tokens);
        return new Prepared(
                turn -> SequenceSum.forward(
                        fixture.device(), sums.at(turn), values.at(turn), new Sequences(offsets.at(turn), sequences)),
                gate -> {
                    for (int s : fixture.sample(sequences)) {
                        double[] of = values.read((long) s * tokens, tokens);
                        gate.value(
                                "sums[" + s + "]",
                                IntStream.range(0, tokens)
                                        .mapToDouble(i -> of[i])
                                        .sum(),
                                sums.read(s),
                                Gate.sum(0, DType.F32)
                                        * IntStream.range(0, tokens)
                                                .mapToDouble(i -> Math.abs(of[i]))
                                                .sum());
                    }
                });
    }

    static Prepared backward(Fixture fixture) {
        int sequences = fixture.shape().count("sequences");
        int tokens = fixture.shape().count("tokens");
        Tensor dValues = fixture.zeros(DType.F32, (long) sequences * tokens);
        Tensor dSums = fixture.normal(DType.F32, 1, sequences);
        Tensor offsets = offsets(fixture, sequences, tokens);
        return new Prepared(
                turn -> SequenceSum.backward(
                        fixture.device(), dValues.at(turn), dSums.at(turn), new Sequences(offsets.at(turn), sequences)),
                gate -> {
                    for (int s : fixture.sample(sequences)) {
                        gate.value("d_values", dSums.read(s), dValues.read((s + 1L) * tokens - 1), 0);
                    }
                });
    }

    private static Tensor offsets(Fixture fixture, int sequences, int tokens) {
        return fixture.ints(
                IntStream.rangeClosed(0, sequences).map(s -> s * tokens).toArray());
    }
}
