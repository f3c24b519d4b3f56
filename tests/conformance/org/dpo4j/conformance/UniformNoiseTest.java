package org.dpo4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.decoder.UniformNoise;
import org.dpo4j.testkit.Draw;
import org.dpo4j.testkit.ReferencePhilox;
import org.dpo4j.testkit.Tolerance;
import org.junit.jupiter.api.Tag;

class UniformNoiseTest {
    private static final int[] SEED = {0x299f31d0, 0xa4093822};
    private static final int STEP = 7;

    /** As dpo4j.h says: of 23 random bits, in (-1, 1). */
    private static double uniform(int column, int position, int sequence) {
        int[] words = ReferencePhilox.bits(new int[] {column / 4, position, sequence, STEP}, SEED);
        return (2L * (words[column % 4] >>> 9) + 1) * 0x1p-23 - 1;
    }

    @OnEachDType
    @Tag("small")
    void addsTheNoiseOfTheReference(On on) {
        int rows = 11;
        for (int width : new int[] {1, 5, 64, 130}) {
            int stride = (width + 7) / 8 * 8;
            int[] sequence = new int[rows];
            int[] position = new int[rows];
            double[] scale = new double[rows];
            for (int row = 0; row < rows; row++) {
                sequence[row] = row < 6 ? -5 : 1 << 20;
                position[row] = row % 6;
                scale[row] = row == 4 ? 0 : Math.scalb(1.0, row - 5);
            }
            double[] values = Arrays.stream(new Draw(width).uniform(rows * width, -8, 8))
                    .map(Math::rint)
                    .toArray();
            try (Tensors tensors = new Tensors(on)) {
                Tensor out = tensors.updated("out", on.dtype(), rows, width, stride, values);
                Tensor scales = tensors.vector("scale", DType.F32, scale);
                Tensor sequences = tensors.input("sequence", sequence);
                Tensor positions = tensors.input("position", position);
                Tensor random = tensors.input("random", SEED[0], SEED[1], STEP);
                tensors.run(device -> UniformNoise.add(
                        device,
                        new UniformNoise.Matrix(out.address(), rows, width, stride, on.dtype()),
                        new UniformNoise.Source(
                                scales.address(), sequences.address(), positions.address(), random.address())));
                double[] expected = new double[values.length];
                double[] allowed = new double[values.length];
                for (int i = 0; i < expected.length; i++) {
                    int row = i / width;
                    double noise = scale[row] * uniform(i % width, position[row], sequence[row]);
                    expected[i] = values[i] + noise;
                    // scales are powers of two, so only the sum is rounded
                    allowed[i] = Tolerance.stored(on.dtype(), expected[i], Tolerance.U * Math.abs(expected[i]));
                }
                Expect.near("width " + width, out.values(), expected, i -> allowed[i]);
            }
        }
    }

    /** Mean 0, variance 1/3: with n numbers, within six standard deviations, except for two in 10^9 seeds. */
    @OnEachDevice
    void isUniform(On on) {
        int n = 1 << 16;
        try (Tensors tensors = new Tensors(on)) {
            Tensor out = tensors.updated("out", DType.F32, 1, n, new double[n]);
            Tensor scale = tensors.vector("scale", DType.F32, 1);
            Tensor zero = tensors.input("sequence", 0);
            Tensor random = tensors.input("random", 1, 2, 3);
            tensors.run(device -> UniformNoise.add(
                    device,
                    new UniformNoise.Matrix(out.address(), 1, n, n, DType.F32),
                    new UniformNoise.Source(scale.address(), zero.address(), zero.address(), random.address())));
            double[] noise = out.values();
            assertThat(Math.abs(Arrays.stream(noise).average().orElseThrow())).isLessThan(6 / Math.sqrt(3.0 * n));
            double square = Arrays.stream(noise).map(x -> x * x).average().orElseThrow();
            assertThat(Math.abs(square - 1 / 3.0)).isLessThan(6 * Math.sqrt(4 / 45.0 / n)); // variance of u^2 is 4/45
            assertThat(Arrays.stream(noise).map(Math::abs).max().orElseThrow()).isBetween(0.999, Math.nextDown(1.0));
        }
    }

    @OnEachDType
    @Tag("small")
    void refusesBadArguments(On on) {
        try (Tensors tensors = new Tensors(on)) {
            new Refusals(tensors, "uniform_noise")
                    .address("out", tensors.updated("out", on.dtype(), 2, 8, new double[16]))
                    .indices("scale", tensors.vector("scale", DType.F32, 1, 1))
                    .indices("sequence", tensors.input("sequence", 0, 1))
                    .indices("position", tensors.input("position", 0, 1))
                    .indices("random", tensors.input("random", 1, 2, 3))
                    .size("stride", 8, 4, 9)
                    .matrix(2, 8, on)
                    .check((device, a) -> UniformNoise.add(
                            device,
                            new UniformNoise.Matrix(
                                    a.get("out"), a.get("rows"), a.get("width"), a.get("stride"), a.dtype("dtype")),
                            new UniformNoise.Source(
                                    a.get("scale"), a.get("sequence"), a.get("position"), a.get("random"))));
        }
    }
}
