package org.dpo4j.bench.device;

import java.util.stream.IntStream;
import org.dpo4j.bench.device.Benchmark.Prepared;
import org.dpo4j.kernels.decoder.Rope;
import org.dpo4j.testkit.ReferenceRope;

/** Rotations in place. Repeated rotations do not change the magnitude of the numbers. */
final class RopeBenchmark {
    private static final double THETA = 10_000;

    private RopeBenchmark() {}

    static Prepared forward(Fixture fixture) {
        return prepared(fixture, false);
    }

    static Prepared backward(Fixture fixture) {
        return prepared(fixture, true);
    }

    private static Prepared prepared(Fixture fixture, boolean isBackward) {
        int rows = fixture.count("rows");
        int heads = fixture.count("heads");
        int width = fixture.count("width");
        long stride = (long) heads * width;
        Operand x = fixture.updated(fixture.normal(1, rows * stride));
        Operand positions = fixture.ints(IntStream.range(0, rows).toArray());
        Operand cosine = table(fixture, rows, width, false);
        Operand sine = table(fixture, rows, width, true);
        Rope.Shape shape = new Rope.Shape(heads, width, stride, fixture.dtype());
        int[] sample = fixture.sample(rows);
        double[][] before = IntStream.of(sample)
                .mapToObj(row -> x.read(row * stride, width))
                .toArray(double[][]::new);
        return new Prepared(
                turn -> {
                    Rope.Positions at = new Rope.Positions(positions.at(turn), rows);
                    Rope.Table table = new Rope.Table(cosine.at(turn), sine.at(turn), rows);
                    if (isBackward) {
                        Rope.backward(fixture.device(), x.at(turn), at, table, shape);
                    } else {
                        Rope.forward(fixture.device(), x.at(turn), at, table, shape);
                    }
                },
                gate -> {
                    for (int i = 0; i < sample.length; i++) {
                        gate.values(
                                "x of row " + sample[i],
                                ReferenceRope.expected(
                                        fixture.dtype(),
                                        before[i],
                                        cosine.row(sample[i], width / 2),
                                        sine.row(sample[i], width / 2),
                                        isBackward),
                                x.read(sample[i] * stride, width));
                    }
                });
    }

    private static Operand table(Fixture fixture, int rows, int width, boolean isSine) {
        double[] table = ReferenceRope.table(rows, width, THETA, isSine);
        float[] floats = new float[table.length];
        for (int i = 0; i < table.length; i++) {
            floats[i] = (float) table[i];
        }
        return fixture.floats(floats);
    }
}
