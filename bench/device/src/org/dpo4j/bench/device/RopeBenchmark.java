package org.dpo4j.bench.device;

import java.util.stream.IntStream;
import org.dpo4j.bench.device.Benchmark.Prepared;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.decoder.Rope;

/** Rotations in place: however often, numbers stay as large as they were. */
final class RopeBenchmark {
    private RopeBenchmark() {}

    static Prepared forward(Fixture fixture) {
        return of(fixture, 1);
    }

    static Prepared backward(Fixture fixture) {
        return of(fixture, -1);
    }

    private static Prepared of(Fixture fixture, int direction) {
        int rows = fixture.shape().count("rows");
        int heads = fixture.shape().count("heads");
        int width = fixture.shape().count("width");
        int half = width / 2;
        long stride = (long) heads * width;
        Tensor x = fixture.updated(fixture.normal(1, rows * stride));
        Tensor positions = fixture.ints(IntStream.range(0, rows).toArray());
        float[] cosines = new float[rows * half];
        float[] sines = new float[rows * half];
        for (int i = 0; i < cosines.length; i++) {
            int position = i / half;
            double angle = position * Math.pow(10_000, -2.0 * (i % half) / width);
            cosines[i] = (float) Math.cos(angle);
            sines[i] = (float) Math.sin(angle);
        }
        Tensor cosine = fixture.floats(cosines);
        Tensor sine = fixture.floats(sines);
        int[] sample = fixture.sample(rows);
        double[][] before = IntStream.of(sample)
                .mapToObj(row -> x.read(row * stride, width))
                .toArray(double[][]::new);
        return new Prepared(
                turn -> rotate(fixture, direction, x.at(turn), positions.at(turn), cosine.at(turn), sine.at(turn)),
                gate -> {
                    for (int i = 0; i < sample.length; i++) {
                        double[] c = cosine.read((long) sample[i] * half, half);
                        double[] s = sine.read((long) sample[i] * half, half);
                        check(gate, before[i], x.read(sample[i] * stride, width), c, s, direction, fixture.dtype());
                    }
                });
    }

    private static void rotate(Fixture fixture, int direction, long x, long positions, long cosine, long sine) {
        long rows = fixture.at("rows");
        long heads = fixture.at("heads");
        long width = fixture.at("width");
        if (direction > 0) {
            Rope.forward(
                    fixture.device(),
                    x,
                    new Rope.Positions(positions, rows),
                    new Rope.Table(cosine, sine, rows),
                    new Rope.Shape(heads, width, heads * width, fixture.dtype()));
        } else {
            Rope.backward(
                    fixture.device(),
                    x,
                    new Rope.Positions(positions, rows),
                    new Rope.Table(cosine, sine, rows),
                    new Rope.Shape(heads, width, heads * width, fixture.dtype()));
        }
    }

    private static void check(
            Gate gate, double[] before, double[] after, double[] c, double[] s, int direction, DType dtype) {
        int half = c.length;
        double[] expected = new double[2 * half];
        double[] magnitudes = new double[2 * half];
        for (int j = 0; j < half; j++) {
            double sine = direction * s[j];
            expected[j] = before[j] * c[j] - before[half + j] * sine;
            expected[half + j] = before[half + j] * c[j] + before[j] * sine;
            magnitudes[j] = magnitudes[half + j] = Math.abs(before[j]) + Math.abs(before[half + j]);
        }
        gate.values("x", expected, after, magnitudes, Gate.sum(2, dtype));
    }
}
