package org.dpo4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Arrays;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.TokenLogProb;
import org.dpo4j.kernels.TokenLogProb.Gradient;
import org.dpo4j.kernels.TokenLogProb.Logits;
import org.junit.jupiter.api.Tag;

class TokenLogProbTest {
    private static final double NONE = Double.NEGATIVE_INFINITY;

    /** Logits of one call, rows stride apart. */
    private record Rows(int rows, int vocabulary, int stride, double[] logits, int[] targets) {
        static Rows random(int rows, int vocabulary, double scale, DType dtype) {
            Draw draw = new Draw(31L * rows + vocabulary);
            return of(vocabulary, draw.normal(rows * vocabulary, scale), draw.indices(rows, vocabulary), dtype);
        }

        static Rows of(double[] logits, int[] targets, DType dtype) {
            return of(logits.length / targets.length, logits, targets, dtype);
        }

        private static Rows of(int vocabulary, double[] logits, int[] targets, DType dtype) {
            int unit = 16 / dtype.bytes();
            int stride = (vocabulary + unit - 1) / unit * unit + (vocabulary % 3 == 0 ? unit : 0);
            return new Rows(targets.length, vocabulary, stride, logits, targets);
        }

        Rows select(int... rows) {
            double[] selected = Arrays.stream(rows)
                    .boxed()
                    .flatMapToDouble(row -> Arrays.stream(logits, row * vocabulary, (row + 1) * vocabulary))
                    .toArray();
            int[] of = Arrays.stream(rows).map(row -> targets[row]).toArray();
            return new Rows(rows.length, vocabulary, stride, selected, of);
        }

        @Override
        public String toString() {
            return "[%d, %d]".formatted(rows, vocabulary);
        }
    }

    /** What forward and backward left. */
    private record Results(
            double[] logits,
            double[] logprob,
            double[] lse,
            double[] dLogProb,
            double[] dLogits,
            long[] logprobBits,
            long[] dLogitsBits) {
        double[] row(double[] all, int row) {
            int width = all.length / logprob.length;
            return Arrays.copyOfRange(all, row * width, (row + 1) * width);
        }
    }

    /** Forward; backward to another place with another stride, and in place when the types are one: the same bits. */
    private static Results compute(On on, Rows of, DType dLogitsType) {
        int dStride = of.stride + 16;
        try (Tensors tensors = new Tensors(on)) {
            Tensor logprob = tensors.output("logprob", DType.F32, 1, of.rows);
            Tensor lse = tensors.output("lse", DType.F32, 1, of.rows);
            Tensor dLogits = tensors.output("d_logits", dLogitsType, of.rows, of.vocabulary, dStride);
            Tensor inPlace = tensors.updated("logits", on.dtype(), of.rows, of.vocabulary, of.stride, of.logits);
            Tensor logits = tensors.input("logits", on.dtype(), of.rows, of.vocabulary, of.stride, of.logits);
            Tensor targets = tensors.input("targets", of.targets);
            Tensor dLogProb = tensors.input("d_logprob", DType.F32, 1, of.rows, new Draw(of.rows).normal(of.rows, 1));
            tensors.run(device -> {
                TokenLogProb.forward(
                        device,
                        new TokenLogProb.Results(logprob.address(), lse.address()),
                        new Logits(logits.address(), of.vocabulary, of.stride, on.dtype()),
                        targets.address(),
                        of.rows);
                TokenLogProb.backward(
                        device,
                        new Gradient(dLogits.address(), dStride, dLogitsType),
                        new Logits(logits.address(), of.vocabulary, of.stride, on.dtype()),
                        targets.address(),
                        lse.address(),
                        dLogProb.address(),
                        of.rows);
                Logits overwritten = new Logits(inPlace.address(), of.vocabulary, of.stride, on.dtype());
                TokenLogProb.backward(
                        device,
                        Gradient.inPlace(overwritten),
                        overwritten,
                        targets.address(),
                        lse.address(),
                        dLogProb.address(),
                        of.rows);
            });
            if (dLogitsType == on.dtype()) {
                Expect.sameBits("d_logits in place", inPlace.bits(), dLogits.bits());
            }
            return new Results(
                    logits.values(),
                    logprob.values(),
                    lse.values(),
                    dLogProb.values(),
                    dLogits.values(),
                    logprob.bits(),
                    dLogits.bits());
        }
    }

    /** Against the reference. Masked rows are exactly 0, targets beyond the vocabulary NaN throughout. */
    private static void check(On on, Rows of, DType dLogitsType) {
        Results results = compute(on, of, dLogitsType);
        for (int row = 0; row < of.rows; row++) {
            int target = of.targets[row];
            String what = "%s -> %s, row %d, target %d".formatted(of, dLogitsType, row, target);
            double[] logits = results.row(results.logits, row);
            double[] dLogits = results.row(results.dLogits, row);
            double lse = results.lse[row];
            if (target < 0 || target >= of.vocabulary) {
                double all = target < 0 ? 0 : Double.NaN;
                double[] expected = new double[of.vocabulary];
                Arrays.fill(expected, all);
                Expect.exactly(what, dLogits, expected);
                Expect.exactly(what, new double[] {results.logprob[row], lse}, new double[] {all, all});
                continue;
            }
            Expect.near(
                    what + " logprob",
                    new double[] {results.logprob[row]},
                    new double[] {ReferenceTokenLogProb.forward(logits, target)},
                    i -> Tolerance.logProb(logits, target));
            Expect.near(
                    what + " lse",
                    new double[] {lse},
                    new double[] {ReferenceTokenLogProb.lse(logits)},
                    i -> Tolerance.lse(logits));
            double g = results.dLogProb[row];
            double[] expected = ReferenceTokenLogProb.backward(logits, target, lse, g);
            Expect.near(
                    what + " d_logits",
                    dLogits,
                    expected,
                    j -> Tolerance.stored(
                            dLogitsType, expected[j], Tolerance.logProbBackward(logits[j], lse, g, j == target)));
        }
    }

    @OnEachDType
    @Tag("small")
    void smallVocabularies(On on) {
        int[][] shapes = {{1, 1}, {3, 1}, {1, 2}, {5, 7}, {2, 8}, {4, 31}, {3, 64}, {2, 257}, {0, 8}};
        for (int[] shape : shapes) {
            check(on, Rows.random(shape[0], shape[1], 4, on.dtype()), on.dtype());
        }
    }

    @OnEachDType
    @Tag("small")
    void maskedRowsAndTargetsBeyondTheVocabulary(On on) {
        Rows random = Rows.random(9, 33, 4, on.dtype());
        int[] targets = {-1, 0, 32, 33, -1, Integer.MAX_VALUE, 5, Integer.MIN_VALUE, -100};
        check(on, Rows.of(random.logits, targets, on.dtype()), on.dtype());
    }

    @OnEachDType
    @Tag("small")
    void aMaskedRowMayHoldAnything(On on) {
        double[] logits = {Double.NaN, NONE, NONE, Double.POSITIVE_INFINITY, 1, 2, 3, 4};
        check(on, Rows.of(logits, new int[] {-1, 2}, on.dtype()), on.dtype());
    }

    @OnEachDType
    void largerVocabularies(On on) {
        int[][] shapes = {{3, 1000}, {2, 2048}, {2, 4096}, {2, 4097}, {1, 32000}};
        for (int[] shape : shapes) {
            check(on, Rows.random(shape[0], shape[1], 4, on.dtype()), on.dtype());
        }
    }

    @OnEachDType
    void vocabulariesOfRealModels(On on) {
        check(on, Rows.random(2, 50_257, 6, on.dtype()), on.dtype());
        check(on, Rows.random(1, 151_936, 6, on.dtype()), on.dtype());
    }

    @OnEachDType
    void extremes(On on) {
        double[] huge = new Draw(1).normal(5 * 40, 1);
        for (int i = 0; i < huge.length; i++) {
            huge[i] = (i % 3 == 0 ? 1e4 : -1e4) + 10 * huge[i];
        }
        check(on, Rows.of(huge, new int[] {0, 1, 2, 39, 20}, on.dtype()), on.dtype());
        double[] equal = new double[3 * 5000];
        Arrays.fill(equal, -1e4);
        check(on, Rows.of(equal, new int[] {0, 4999, 17}, on.dtype()), on.dtype());
        check(on, Rows.of(rising(5000, -1e4, 1e4), new int[] {0}, on.dtype()), on.dtype());
        check(on, Rows.of(rising(5000, 1e4, -1e4), new int[] {4999}, on.dtype()), on.dtype());
        check(on, Rows.of(rising(4099, -40, 40), new int[] {4000}, on.dtype()), on.dtype());
    }

    private static double[] rising(int count, double first, double last) {
        double[] values = new double[count];
        Arrays.setAll(values, i -> first + (last - first) * i / (count - 1));
        return values;
    }

    /** Padding of a vocabulary: columns of -inf, first, last, between, and all but one; a target that does not exist has log-prob -inf. */
    @OnEachDType
    void columnsThatDoNotExist(On on) {
        for (int vocabulary : new int[] {5, 64, 700, 5000}) {
            double[] logits = new Draw(vocabulary).normal(4 * vocabulary, 3);
            Arrays.fill(logits, 0, vocabulary / 2, NONE);
            Arrays.fill(logits, vocabulary + vocabulary / 2, 2 * vocabulary, NONE);
            Arrays.fill(logits, 2 * vocabulary, 3 * vocabulary - 1, NONE);
            logits[3 * vocabulary + 1] = NONE;
            check(on, Rows.of(logits, new int[] {vocabulary - 1, 0, vocabulary - 1, 1}, on.dtype()), on.dtype());
        }
    }

    @OnEachDType
    void gradientOfAnotherTypeThanTheLogits(On on) {
        if (on.dtype() == DType.F32 && on.device().supports(DType.BF16)) {
            check(on, Rows.random(3, 1000, 4, on.dtype()), DType.BF16);
        } else if (on.dtype() == DType.BF16) {
            try (Tensors tensors = new Tensors(on)) {
                Tensor dLogits = tensors.output("d_logits", DType.F32, 1, 8);
                Tensor logits = tensors.input("logits", DType.BF16, 1, 8, new Draw(2).normal(8, 1));
                Tensor targets = tensors.input("targets", 3);
                Tensor one = tensors.vector("lse", DType.F32, 2);
                tensors.run(device -> TokenLogProb.backward(
                        device,
                        new Gradient(dLogits.address(), 8, DType.F32),
                        new Logits(logits.address(), 8, 8, DType.BF16),
                        targets.address(),
                        one.address(),
                        one.address(),
                        1));
                double[] x = logits.values();
                double[] expected = ReferenceTokenLogProb.backward(x, 3, 2, 2);
                Expect.near("d_logits", dLogits.values(), expected, j -> Tolerance.logProbBackward(x[j], 2, 2, j == 3));
            }
        }
    }

    /** A row has the same bits alone, in another order, and among more rows. */
    @OnEachDType
    void rowsDoNotFeelEachOther(On on) {
        for (int vocabulary : new int[] {33, 5000}) {
            Rows rows = Rows.random(13, vocabulary, 4, on.dtype());
            rows.targets[5] = -1;
            Results together = compute(on, rows, on.dtype());
            int[] order = new Draw(3).permutation(13);
            Results shuffled = compute(on, rows.select(order), on.dtype());
            for (int i = 0; i < 13; i++) {
                assertThat(shuffled.logprobBits[i]).isEqualTo(together.logprobBits[order[i]]);
            }
            for (int row = 0; row < 13; row += 4) {
                Results alone = compute(on, rows.select(row), on.dtype());
                assertThat(alone.logprobBits[0]).isEqualTo(together.logprobBits[row]);
            }
        }
    }

    /** 60-digit values. */
    @OnEachDevice
    @Tag("small")
    void golden(On on) {
        for (JsonNode each : Golden.read("token_logprob.json")) {
            double[] logits = Golden.numbers(each.get("logits"));
            int target = each.get("target").asInt();
            Results results = compute(on, Rows.of(logits, new int[] {target}, DType.F32), DType.F32);
            double lse = Golden.number(each.get("lse"));
            double g = results.dLogProb[0];
            String what = each.toString();
            Expect.near(
                    what,
                    results.logprob,
                    new double[] {Golden.number(each.get("logprob"))},
                    i -> Tolerance.logProb(logits, target));
            Expect.near(what, results.lse, new double[] {lse}, i -> Tolerance.lse(logits));
            double[] expected = Golden.numbers(each.get("gradient"));
            Arrays.setAll(expected, j -> g * expected[j]);
            // The gradient was computed from the lse as stored: an absolute error in an exponent is a relative one of
            // its exponential.
            double ofLse = Math.expm1(Math.abs(results.lse[0] - lse));
            Expect.near(
                    what,
                    results.dLogits,
                    expected,
                    j -> Tolerance.logProbBackward(logits[j], lse, g, j == target)
                            + Math.abs(g) * ofLse * Math.exp(logits[j] - lse)
                            + Float.MIN_NORMAL);
        }
    }

    @OnEachDType
    @Tag("small")
    void refusesBadArguments(On on) {
        try (Tensors tensors = new Tensors(on)) {
            Tensor logprob = tensors.output("logprob", DType.F32, 1, 2);
            Tensor lse = tensors.output("lse", DType.F32, 1, 2);
            Tensor logits = tensors.input("logits", on.dtype(), 2, 8, 16, new Draw(4).normal(16, 1));
            Tensor targets = tensors.input("targets", 1, 7);
            new Refusals(tensors, "token_logprob_forward")
                    .address("logprob", logprob)
                    .address("lse", lse)
                    .address("logits", logits)
                    .indices("targets", targets)
                    .size("rows", 2, -1)
                    .size("vocabulary", 8, 0, -1)
                    .size("logits_stride", 16, 0, 7, 17)
                    .size("dtype", on.dtype().ordinal())
                    .check((device, a) -> TokenLogProb.forward(
                            device,
                            new TokenLogProb.Results(a.get("logprob"), a.get("lse")),
                            new Logits(a.get("logits"), a.get("vocabulary"), a.get("logits_stride"), a.dtype("dtype")),
                            a.get("targets"),
                            a.get("rows")));
        }
        try (Tensors tensors = new Tensors(on)) {
            Tensor dLogits = tensors.output("d_logits", on.dtype(), 2, 8, 24);
            Tensor logits = tensors.input("logits", on.dtype(), 2, 8, 16, new Draw(5).normal(16, 1));
            Tensor targets = tensors.input("targets", 1, 7);
            Tensor lse = tensors.vector("lse", DType.F32, 3, 3);
            Tensor dLogProb = tensors.vector("d_logprob", DType.F32, 1, 1);
            new Refusals(tensors, "token_logprob_backward")
                    .address("d_logits", dLogits)
                    .address("logits", logits)
                    .indices("targets", targets)
                    .address("lse", lse)
                    .address("d_logprob", dLogProb)
                    .size("rows", 2, -1)
                    .size("vocabulary", 8, 0, -1)
                    .size("d_logits_stride", 24, 0, 7, 17)
                    .size("logits_stride", 16, 0, 7, 17)
                    .size("d_logits_dtype", on.dtype().ordinal())
                    .size("dtype", on.dtype().ordinal())
                    .check((device, a) -> TokenLogProb.backward(
                            device,
                            new Gradient(a.get("d_logits"), a.get("d_logits_stride"), a.dtype("d_logits_dtype")),
                            new Logits(a.get("logits"), a.get("vocabulary"), a.get("logits_stride"), a.dtype("dtype")),
                            a.get("targets"),
                            a.get("lse"),
                            a.get("d_logprob"),
                            a.get("rows")));
        }
    }
}
