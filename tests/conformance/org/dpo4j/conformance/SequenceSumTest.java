package org.dpo4j.conformance;

import java.util.Arrays;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.SequenceSum;
import org.junit.jupiter.api.Tag;

class SequenceSumTest {

    @OnEachDevice
    @Tag("small")
    void forward(On on) {
        forward(on, new int[] {0, 1}, 1);
        forward(on, new int[] {0, 0, 5, 5, 12, 13}, 1);
        forward(on, new int[] {0, 33, 64, 97, 100, 300}, 1e4);
        forward(on, new int[] {0}, 1);
    }

    @OnEachDevice
    void forwardOfLongAndOfManySequences(On on) {
        forward(on, new int[] {0, 70_000, 70_001}, 1);
        int[] offsets = new int[3001];
        Arrays.setAll(offsets, s -> s * (s % 2 + 3) / 2 + s);
        Arrays.sort(offsets);
        forward(on, offsets, 5);
    }

    private static void forward(On on, int[] ranges, double scale) {
        int count = ranges[ranges.length - 1];
        int sequences = ranges.length - 1;
        try (Tensors tensors = new Tensors(on)) {
            Tensor sums = tensors.output("sums", DType.F32, 1, sequences);
            Tensor values = tensors.input("values", DType.F32, 1, count, new Draw(count).normal(count, scale));
            Tensor offsets = tensors.input("offsets", ranges);
            tensors.run(device ->
                    SequenceSum.forward(device, sums.address(), values.address(), offsets.address(), sequences));
            double[] expected = ReferenceSequenceSum.forward(values.values(), ranges);
            double[] magnitudes = ReferenceSequenceSum.forward(
                    Arrays.stream(values.values()).map(Math::abs).toArray(), ranges);
            Expect.near(
                    "sums of " + sequences,
                    sums.values(),
                    expected,
                    s -> Tolerance.roundedOnce(expected[s])
                            + 2 * Tolerance.doubles(ranges[s + 1] - ranges[s], magnitudes[s]));
        }
    }

    @OnEachDevice
    void aSumThatFp32WouldLose(On on) {
        try (Tensors tensors = new Tensors(on)) {
            Tensor sums = tensors.output("sums", DType.F32, 1, 1);
            Tensor values = tensors.input("values", DType.F32, 1, 4, 0x1p30, 1, 0.5, -0x1p30);
            Tensor offsets = tensors.input("offsets", 0, 4);
            tensors.run(device -> SequenceSum.forward(device, sums.address(), values.address(), offsets.address(), 1));
            Expect.exactly("sum", sums.values(), new double[] {1.5});
        }
    }

    @OnEachDevice
    @Tag("small")
    void backward(On on) {
        for (int[] ranges : new int[][] {{0, 1}, {0, 0, 5, 5, 12, 13}, {0, 33, 64, 97, 1000}, {0}}) {
            int count = ranges[ranges.length - 1];
            int sequences = ranges.length - 1;
            try (Tensors tensors = new Tensors(on)) {
                Tensor dValues = tensors.output("d_values", DType.F32, 1, count);
                Tensor dSums = tensors.input("d_sums", DType.F32, 1, sequences, new Draw(count).normal(sequences, 1));
                Tensor offsets = tensors.input("offsets", ranges);
                tensors.run(device ->
                        SequenceSum.backward(device, dValues.address(), dSums.address(), offsets.address(), sequences));
                Expect.exactly("d_values", dValues.values(), ReferenceSequenceSum.backward(dSums.values(), ranges));
            }
        }
    }

    @OnEachDevice
    @Tag("small")
    void refusesBadArguments(On on) {
        try (Tensors tensors = new Tensors(on)) {
            Tensor sums = tensors.output("sums", DType.F32, 1, 2);
            Tensor values = tensors.vector("values", DType.F32, 1, 2, 3);
            Tensor offsets = tensors.input("offsets", 0, 1, 3);
            new Refusals(tensors, "sequence_sum_forward")
                    .address("sums", sums)
                    .address("values", values)
                    .indices("offsets", offsets)
                    .size("sequences", 2, -1)
                    .check((device, a) -> SequenceSum.forward(
                            device, a.get("sums"), a.get("values"), a.get("offsets"), a.get("sequences")));
        }
        try (Tensors tensors = new Tensors(on)) {
            Tensor dValues = tensors.output("d_values", DType.F32, 1, 3);
            Tensor dSums = tensors.vector("d_sums", DType.F32, 1, 2);
            Tensor offsets = tensors.input("offsets", 0, 1, 3);
            new Refusals(tensors, "sequence_sum_backward")
                    .address("d_values", dValues)
                    .address("d_sums", dSums)
                    .indices("offsets", offsets)
                    .size("sequences", 2, -1)
                    .check((device, a) -> SequenceSum.backward(
                            device, a.get("d_values"), a.get("d_sums"), a.get("offsets"), a.get("sequences")));
        }
    }
}
