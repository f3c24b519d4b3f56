package org.dpo4j.conformance;

import java.util.Arrays;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.SequenceSum;
import org.dpo4j.kernels.SequenceSum.Sequences;
import org.dpo4j.testkit.Draw;
import org.dpo4j.testkit.ReferenceSequenceSum;
import org.dpo4j.testkit.Tolerance;
import org.junit.jupiter.api.Tag;

class SequenceSumTest {
    private static final int[][] RANGES = {{0}, {0, 1}, {0, 0, 5, 5, 12, 13}, {0, 33, 64, 97, 100, 300}};
    private static final int[][] PAIRS = {{0}, {0, 3, 3}, {0, 5, 12}, {0, 40, 41, 41, 141, 150, 159}};

    @OnEachDevice
    @Tag("small")
    void sums(On on) {
        for (int[] ranges : RANGES) {
            for (int width : new int[] {1, 4, 5}) {
                check(on, ranges, width, 1, false, 1e3);
                check(on, ranges, width, 1, true, 1);
            }
        }
    }

    /** LD-DPO: tokens beyond the length of the pair's other completion are multiplied by a factor below 1, or by 0. */
    @OnEachDevice
    @Tag("small")
    void tails(On on) {
        for (int[] ranges : PAIRS) {
            for (float tail : new float[] {0, 0.25f, 0.9f}) {
                check(on, ranges, 1, tail, false, 5);
                check(on, ranges, 4, tail, true, 5);
            }
        }
    }

    @OnEachDevice
    void longAndManySequences(On on) {
        check(on, new int[] {0, 70_000, 70_001}, 1, 1, false, 1);
        check(on, new int[] {0, 70_000, 70_001}, 1, 0.5f, false, 1);
        int[] offsets = new int[3001];
        Arrays.setAll(offsets, s -> s * (s % 2 + 3) / 2 + s);
        Arrays.sort(offsets);
        check(on, offsets, 1, 1, false, 5);
        check(on, offsets, 1, 0.5f, true, 5);
    }

    private static void check(On on, int[] ranges, int width, float tail, boolean average, double scale) {
        int count = ranges[ranges.length - 1];
        int sequences = ranges.length - 1;
        Draw draw = new Draw(count + width);
        String what =
                "%s of %d sequences, width %d, tail %s".formatted(average ? "means" : "sums", sequences, width, tail);
        try (Tensors tensors = new Tensors(on)) {
            Tensor sums = tensors.output("sums", DType.F32, 1, sequences * width);
            Tensor values = tensors.input("values", DType.F32, 1, count * width, draw.normal(count * width, scale));
            Tensor dValues = tensors.output("d_values", DType.F32, 1, count * width);
            Tensor dSums = tensors.input("d_sums", DType.F32, 1, sequences * width, draw.normal(sequences * width, 1));
            Tensor offsets = tensors.input("offsets", ranges);
            Sequences arguments = new Sequences(offsets.address(), sequences, width, tail, average);
            tensors.run(device -> {
                SequenceSum.forward(device, sums.address(), values.address(), arguments);
                SequenceSum.backward(device, dValues.address(), dSums.address(), arguments);
            });
            double[] expected = ReferenceSequenceSum.forward(values.values(), ranges, width, tail, average);
            double[] magnitudes = ReferenceSequenceSum.forward(
                    Arrays.stream(values.values()).map(Math::abs).toArray(), ranges, width, tail, average);
            Expect.near(
                    what,
                    sums.values(),
                    expected,
                    s -> Tolerance.roundedOnce(expected[s])
                            + 2 * Tolerance.doubles(ranges[s / width + 1] - ranges[s / width], magnitudes[s]));
            double[] dExpected = ReferenceSequenceSum.backward(dSums.values(), ranges, width, tail, average);
            // One rounding to fp32; the roundings of the factor are fp64. Whole numbers times 1 are exact.
            Expect.near(
                    what + " d_values",
                    dValues.values(),
                    dExpected,
                    i -> tail == 1 && !average ? 0 : Tolerance.roundedOnce(dExpected[i]));
        }
    }

    @OnEachDevice
    void aSumThatFp32WouldLose(On on) {
        try (Tensors tensors = new Tensors(on)) {
            Tensor sums = tensors.output("sums", DType.F32, 1, 1);
            Tensor values = tensors.input("values", DType.F32, 1, 4, 0x1p30, 1, 0.5, -0x1p30);
            Tensor offsets = tensors.input("offsets", 0, 4);
            tensors.run(device ->
                    SequenceSum.forward(device, sums.address(), values.address(), new Sequences(offsets.address(), 1)));
            Expect.exactly("sum", sums.values(), new double[] {1.5});
        }
    }

    /** With a tail factor of 0, the tail may hold NaN or infinities. */
    @OnEachDevice
    @Tag("small")
    void aTailWithFactorZeroIsNotRead(On on) {
        try (Tensors tensors = new Tensors(on)) {
            Tensor sums = tensors.output("sums", DType.F32, 1, 2);
            Tensor values = tensors.vector("values", DType.F32, -1, -2, Double.NEGATIVE_INFINITY, Double.NaN, -3);
            Tensor offsets = tensors.input("offsets", 0, 4, 5);
            Sequences arguments = new Sequences(offsets.address(), 2, 1, 0, false);
            tensors.run(device -> SequenceSum.forward(device, sums.address(), values.address(), arguments));
            Expect.exactly("sums", sums.values(), new double[] {-1, -3});
        }
    }

    @OnEachDevice
    @Tag("small")
    void refusesBadArguments(On on) {
        try (Tensors tensors = new Tensors(on)) {
            Tensor sums = tensors.output("sums", DType.F32, 1, 2);
            Tensor values = tensors.vector("values", DType.F32, 1, 2, 3);
            Tensor offsets = tensors.input("offsets", 0, 1, 3);
            refusals(tensors, "sequence_sum_forward", offsets)
                    .indices("sums", sums)
                    .indices("values", values)
                    .check((device, a) -> SequenceSum.forward(device, a.get("sums"), a.get("values"), sequences(a)));
        }
        try (Tensors tensors = new Tensors(on)) {
            Tensor dValues = tensors.output("d_values", DType.F32, 1, 3);
            Tensor dSums = tensors.vector("d_sums", DType.F32, 1, 2);
            Tensor offsets = tensors.input("offsets", 0, 1, 3);
            refusals(tensors, "sequence_sum_backward", offsets)
                    .indices("d_values", dValues)
                    .indices("d_sums", dSums)
                    .check((device, a) ->
                            SequenceSum.backward(device, a.get("d_values"), a.get("d_sums"), sequences(a)));
        }
    }

    private static Refusals refusals(Tensors tensors, String operation, Tensor offsets) {
        return new Refusals(tensors, operation)
                .indices("offsets", offsets)
                .size("sequences", 2, -1, 1)
                .size("width", 1, 0, -1)
                .number("tail_factor", 0.5f, -0.1f, 1.1f, Float.NaN);
    }

    private static Sequences sequences(Refusals.Arguments a) {
        return new Sequences(a.get("offsets"), a.get("sequences"), a.get("width"), a.number("tail_factor"), false);
    }
}
