package org.dpo4j.bench.device;

import java.util.Arrays;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.dpo4j.bench.device.Benchmark.Prepared;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.TokenLogProb;
import org.dpo4j.kernels.TokenLogProb.Logits;
import org.dpo4j.kernels.TokenLogProb.LogitsGradient;
import org.dpo4j.kernels.TokenLogProb.Statistic;
import org.dpo4j.kernels.TokenLogProb.TokenResults;
import org.dpo4j.testkit.Expected;
import org.dpo4j.testkit.ReferenceTokenLogProb;
import org.dpo4j.testkit.Storage;
import org.dpo4j.testkit.Tolerance;
import org.jspecify.annotations.Nullable;

/**
 * Logits of normal(0, 3). Except in {@link #narrowed}, the gradient does not overwrite the logits, because a second call
 * would read the gradient as
 * logits. With {@code masked half}, runs of rows without a target alternate with runs that have one, as prompts and
 * completions do in a packed batch. With {@code statistics 1}, forward also writes entropy, hit, mean logit and log weight of each row.
 */
final class TokenLogProbBenchmark {
    private static final int MASKED_RUN = 128;
    private static final int SAMPLES = 32;

    private final Fixture fixture;
    private final long rows;
    private final int vocabulary;
    private final DType dtype;
    private final Operand logits;
    private final Operand targets;
    private final Operand logprob;
    private final Operand lse;
    private final @Nullable Operand statistics;

    private TokenLogProbBenchmark(Fixture fixture) {
        this.fixture = fixture;
        rows = fixture.at("rows");
        vocabulary = fixture.count("vocabulary");
        dtype = fixture.shape().logits();
        logits = fixture.normal(dtype, 3, rows * vocabulary);
        int[] ids = fixture.numbers().indices(fixture.count("rows"), vocabulary);
        Arrays.setAll(ids, row -> isMasked(fixture.shape(), row) ? -1 : ids[row]);
        targets = fixture.ints(ids);
        logprob = fixture.zeros(DType.F32, rows);
        lse = fixture.zeros(DType.F32, rows);
        boolean hasStatistics = fixture.shape().countOr("statistics", 0) == 1;
        statistics = hasStatistics ? fixture.zeros(DType.F32, rows * TokenLogProb.STATISTICS) : null;
    }

    /** A run has 128 rows, or a quarter of all rows if there are fewer than 512. */
    private static boolean isMasked(Shape shape, long row) {
        long run = Math.max(1, Math.min(MASKED_RUN, shape.at("rows") / 4));
        return shape.has("masked", "half") && row / run % 2 == 1;
    }

    /** Rows that have a target. */
    static long visible(Shape shape) {
        return LongStream.range(0, shape.at("rows"))
                .filter(row -> !isMasked(shape, row))
                .count();
    }

    static Prepared forward(Fixture fixture) {
        TokenLogProbBenchmark tokens = new TokenLogProbBenchmark(fixture);
        return new Prepared(tokens::forward, tokens::checkForward);
    }

    static Prepared backward(Fixture fixture) {
        TokenLogProbBenchmark tokens = new TokenLogProbBenchmark(fixture);
        Operand gradient = fixture.zeros(tokens.dtype, tokens.logits.count());
        Operand dLogprob = fixture.normal(DType.F32, 1, tokens.rows);
        for (int copy = 0; copy < tokens.lse.copies(); copy++) {
            tokens.forward(copy);
        }
        fixture.computed(tokens.logprob, tokens.lse);
        if (tokens.statistics != null) {
            fixture.computed(tokens.statistics);
        }
        return new Prepared(
                turn -> TokenLogProb.backward(
                        fixture.device(),
                        tokens.gradient(gradient, turn),
                        tokens.logits(turn),
                        tokens.targets.at(turn),
                        tokens.lse.at(turn),
                        dLogprob.at(turn),
                        tokens.rows),
                gate -> tokens.checkBackward(gate, gradient, dLogprob.read(0, fixture.count("rows")), false));
    }

    static Prepared forwardBackward(Fixture fixture) {
        TokenLogProbBenchmark tokens = new TokenLogProbBenchmark(fixture);
        Operand gradient = fixture.zeros(tokens.dtype, tokens.logits.count());
        double[] ones = new double[fixture.count("rows")];
        Arrays.fill(ones, 1);
        return new Prepared(
                turn -> TokenLogProb.forwardBackward(
                        fixture.device(),
                        tokens.gradient(gradient, turn),
                        tokens.results(turn),
                        tokens.logits(turn),
                        tokens.targets.at(turn),
                        TokenLogProb.UNIT_GRADIENT,
                        tokens.rows),
                gate -> {
                    tokens.checkForward(gate);
                    tokens.checkBackward(gate, gradient, ones, true);
                });
    }

    /**
     * A gradient in BF16 that overwrites its own F32 logits, as in a chunk of the LM head. Later calls read part of a
     * gradient as logits, and take as long.
     */
    static Prepared narrowed(Fixture fixture) {
        TokenLogProbBenchmark tokens = new TokenLogProbBenchmark(fixture);
        if (!TokenLogProb.narrowsInPlace(fixture.device(), tokens.vocabulary)) {
            throw new Dpo4jException(
                    fixture.device().name() + " holds no row of " + tokens.vocabulary + " logits on chip");
        }
        Operand memory = fixture.updated(tokens.logits);
        int[] sample = Fixture.sample(SAMPLES, tokens.rows);
        double[][] before = IntStream.of(sample)
                .mapToObj(row -> memory.row(row, tokens.vocabulary))
                .toArray(double[][]::new);
        return new Prepared(
                turn -> TokenLogProb.forwardBackward(
                        fixture.device(),
                        LogitsGradient.narrowedInPlace(tokens.logits(turn), DType.BF16),
                        tokens.results(turn),
                        tokens.logits(turn),
                        tokens.targets.at(turn),
                        TokenLogProb.UNIT_GRADIENT,
                        tokens.rows),
                gate -> {
                    for (int i = 0; i < sample.length; i++) {
                        tokens.checkNarrowed(gate, sample[i], before[i]);
                    }
                });
    }

    private void checkNarrowed(Gate gate, int row, double[] before) {
        int target = (int) targets.read(row);
        Operand gradient = new Operand(
                fixture.device(), logits.base(), logits.stride(), logits.copies(), 2 * logits.count(), Storage.BF16);
        double[] numbers = {logprob.read(row), lse.read(row)};
        gate.values("logprob, lse of row " + row, ReferenceTokenLogProb.forwardNumbers(before, target), numbers);
        gate.values(
                "d_logits of row " + row,
                ReferenceTokenLogProb.backward(DType.BF16, before, target, numbers[1], 1, true),
                gradient.read(2L * row * vocabulary, vocabulary));
    }

    private void forward(int turn) {
        TokenLogProb.forward(fixture.device(), results(turn), logits(turn), targets.at(turn), rows);
    }

    private TokenResults results(int turn) {
        return new TokenResults(logprob.at(turn), lse.at(turn), statistics == null ? 0 : statistics.at(turn));
    }

    private Logits logits(int turn) {
        return new Logits(logits.at(turn), vocabulary, vocabulary, dtype);
    }

    private LogitsGradient gradient(Operand tensor, int turn) {
        return new LogitsGradient(tensor.at(turn), vocabulary, dtype);
    }

    private void checkForward(Gate gate) {
        for (int row : Fixture.sample(SAMPLES, rows)) {
            Expected numbers = isMasked(fixture.shape(), row)
                    ? Expected.exact(0, 0)
                    : ReferenceTokenLogProb.forwardNumbers(logits.row(row, vocabulary), (int) targets.read(row));
            gate.values("logprob, lse of row " + row, numbers, new double[] {logprob.read(row), lse.read(row)});
            if (statistics != null) {
                checkStatistics(gate, statistics, row);
            }
        }
    }

    private void checkStatistics(Gate gate, Operand statistics, int row) {
        double[] values = logits.row(row, vocabulary);
        double hit = ReferenceTokenLogProb.hit(values, (int) targets.read(row));
        double[] expected = {ReferenceTokenLogProb.entropy(values), hit};
        double[] found = {
            statistics.read(row * TokenLogProb.STATISTICS + Statistic.ENTROPY.ordinal()),
            statistics.read(row * TokenLogProb.STATISTICS + Statistic.HIT.ordinal())
        };
        gate.values(
                "entropy, hit of row " + row,
                new Expected(expected, new double[] {Tolerance.entropy(values), 0}),
                found);
    }

    private void checkBackward(Gate gate, Operand gradient, double[] dLogprob, boolean isOnePass) {
        gate.rows(
                "d_logits",
                gradient,
                Fixture.sample(SAMPLES, rows),
                row -> isMasked(fixture.shape(), row)
                        ? Expected.exact(new double[vocabulary])
                        : ReferenceTokenLogProb.backward(
                                dtype,
                                logits.row(row, vocabulary),
                                (int) targets.read(row),
                                lse.read(row),
                                dLogprob[row],
                                isOnePass));
    }
}
