package org.dpo4j.bench.device;

import org.dpo4j.bench.device.Benchmark.Prepared;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.TokenLogProb.Transform;
import org.dpo4j.kernels.decoder.SampleTokens;
import org.dpo4j.testkit.ReferenceSampleTokens;
import org.dpo4j.testkit.ReferenceSampleTokens.Options;

/** The next tokens of rows of logits of normal(0, 3): greedy, from the softmax, or with top_k 50 and top_p 0.9. */
final class SampleTokensBenchmark {
    private static final int SEED = 7;

    /** Cumulative probabilities of sample_tokens in fp32; SampleTokensTest derives 2.2e-6 for shorter rows. */
    private static final double NEAR = 4e-6;

    private SampleTokensBenchmark() {}

    static Prepared sample(Fixture fixture) {
        int rows = fixture.count("rows");
        int vocabulary = fixture.count("vocabulary");
        Options options = options(fixture.shape());
        Operand logits = fixture.normal(DType.F32, 3, (long) rows * vocabulary);
        Operand tokens = fixture.ints(new int[rows]);
        int[] draws = new int[SampleTokens.DRAW_WORDS * rows];
        for (int row = 0; row < rows; row++) {
            draws[SampleTokens.DRAW_WORDS * row] = SEED;
            draws[SampleTokens.DRAW_WORDS * row + 2] = row;
        }
        Operand drawn = fixture.ints(draws);
        SampleTokens.Choice choice = new SampleTokens.Choice(
                1, (float) options.temperature(), options.topK(), (float) options.topP(), (float) options.minP());
        return new Prepared(
                turn -> SampleTokens.forward(
                        fixture.device(),
                        new SampleTokens.Rows(tokens.at(turn), drawn.at(turn), rows),
                        new SampleTokens.Logits(logits.at(turn), 0, vocabulary, vocabulary, Transform.NONE),
                        choice,
                        SampleTokens.Seen.NONE,
                        SampleTokens.Suppressed.NONE),
                gate -> {
                    for (int row : fixture.sample(rows)) {
                        check(gate, options, row, logits.row(row, vocabulary), (int) tokens.read(row));
                    }
                });
    }

    private static Options options(Shape shape) {
        if (shape.has("choice", "greedy")) {
            return new Options(0, 0, 1, 0);
        }
        return shape.has("choice", "top") ? new Options(0.8, 50, 0.9, 0) : new Options(1, 0, 1, 0);
    }

    private static void check(Gate gate, Options options, int row, double[] logits, int token) {
        float[] scores = ReferenceSampleTokens.scores(logits, options);
        int low = ReferenceSampleTokens.argmax(scores);
        int high = low;
        if (options.temperature() > 0) {
            double[] probabilities = ReferenceSampleTokens.probabilities(scores, options);
            double uniform = ReferenceSampleTokens.uniform(SEED, row, 0);
            low = ReferenceSampleTokens.inverse(probabilities, uniform - NEAR);
            high = ReferenceSampleTokens.inverse(probabilities, uniform + NEAR);
        }
        double middle = (low + high) / 2.0;
        double half = (high - low) / 2.0;
        gate.values("token of row " + row, new double[] {middle}, new double[] {token}, i -> half);
    }
}
