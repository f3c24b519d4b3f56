package org.dpo4j.bench.device;

import java.util.stream.IntStream;
import org.dpo4j.bench.device.Benchmark.Prepared;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.decoder.ColumnSum;
import org.dpo4j.kernels.decoder.CopyRows;
import org.dpo4j.kernels.decoder.Embedding;
import org.dpo4j.kernels.decoder.MatrixShape;
import org.dpo4j.kernels.decoder.Residual;
import org.dpo4j.kernels.decoder.ScaleRows;

/** Operations that carry rows from place to place or add them up: residual, copy_rows, scale_rows, column_sum, embedding. */
final class RowsBenchmark {
    private RowsBenchmark() {}

    static Prepared residual(Fixture fixture) {
        long count = fixture.at("rows") * fixture.at("width");
        int width = fixture.shape().count("width");
        Tensor out = fixture.zeros(count);
        Tensor a = fixture.normal(1, count);
        Tensor b = fixture.normal(1, count);
        return new Prepared(
                turn -> Residual.forward(
                        fixture.device(), out.at(turn), a.at(turn), b.at(turn), count, fixture.dtype()),
                gate -> {
                    for (int row : fixture.sample(fixture.at("rows"))) {
                        double[] expected = a.read((long) row * width, width);
                        double[] other = b.read((long) row * width, width);
                        for (int j = 0; j < width; j++) {
                            expected[j] += other[j];
                        }
                        double[] actual = out.read((long) row * width, width);
                        gate.values("out of row " + row, expected, actual, Gate.sum(0, fixture.dtype()));
                    }
                });
    }

    /** Rows from random places, as the head gathers those of completions. */
    static Prepared copyRows(Fixture fixture) {
        int rows = fixture.shape().count("rows");
        int width = fixture.shape().count("width");
        Tensor out = fixture.zeros((long) rows * width);
        Tensor in = fixture.normal(1, 2L * rows * width);
        Tensor from = fixture.indices(rows, 2 * rows);
        return new Prepared(
                turn -> CopyRows.forward(
                        fixture.device(),
                        new CopyRows.To(out.at(turn), 0, width),
                        new CopyRows.From(in.at(turn), from.at(turn), width),
                        new MatrixShape(rows, width, fixture.dtype())),
                gate -> checkGather(gate, fixture, out, in, from, width));
    }

    static Prepared embeddingForward(Fixture fixture) {
        int rows = fixture.shape().count("rows");
        int width = fixture.shape().count("width");
        int vocabulary = fixture.shape().count("vocabulary");
        Tensor out = fixture.zeros((long) rows * width);
        Tensor table = fixture.normal(0.02, (long) vocabulary * width);
        Tensor indices = fixture.indices(rows, vocabulary);
        return new Prepared(
                turn -> Embedding.forward(
                        fixture.device(),
                        out.at(turn),
                        new Embedding.Table(table.at(turn), width, fixture.dtype()),
                        new Embedding.Indices(indices.at(turn), rows, vocabulary)),
                gate -> checkGather(gate, fixture, out, table, indices, width));
    }

    private static void checkGather(Gate gate, Fixture fixture, Tensor out, Tensor in, Tensor from, int width) {
        for (int row : fixture.sample(from.count())) {
            double[] expected = in.read((long) from.readInt(row) * width, width);
            gate.values("row " + row, expected, out.read((long) row * width, width), 0);
        }
    }

    /** Every index occurs four times. */
    static Prepared embeddingBackward(Fixture fixture) {
        int rows = fixture.shape().count("rows");
        int width = fixture.shape().count("width");
        int distinct = rows / 4;
        Tensor dTable = fixture.zeros(DType.F32, fixture.at("vocabulary") * width);
        Tensor dOut = fixture.normal(1, (long) rows * width);
        Tensor order = fixture.ints(
                IntStream.range(0, rows).map(i -> i % 4 * distinct + i / 4).toArray());
        Tensor offsets =
                fixture.ints(IntStream.rangeClosed(0, distinct).map(s -> 4 * s).toArray());
        Tensor indices =
                fixture.ints(IntStream.range(0, distinct).map(s -> 2 * s).toArray());
        return new Prepared(
                turn -> Embedding.backward(
                        fixture.device(),
                        new Embedding.Table(dTable.at(turn), width, DType.F32),
                        dOut.at(turn),
                        new Embedding.SortedRows(order.at(turn), offsets.at(turn), indices.at(turn), distinct),
                        fixture.dtype()),
                gate -> {
                    for (int s : fixture.sample(distinct)) {
                        double[] expected = new double[width];
                        double[] magnitudes = new double[width];
                        for (int i = 0; i < 4; i++) {
                            double[] of = dOut.read((long) (i * distinct + s) * width, width);
                            for (int j = 0; j < width; j++) {
                                expected[j] += of[j];
                                magnitudes[j] += Math.abs(of[j]);
                            }
                        }
                        double[] actual = dTable.read(2L * s * width, width);
                        gate.values("d_table of row " + 2 * s, expected, actual, magnitudes, Gate.sum(4, DType.F32));
                    }
                });
    }

    static Prepared scaleRows(Fixture fixture) {
        int rows = fixture.shape().count("rows");
        int width = fixture.shape().count("width");
        Tensor out = fixture.zeros((long) rows * width);
        Tensor in = fixture.normal(1, (long) rows * width);
        Tensor scale = fixture.normal(DType.F32, 1, rows);
        return new Prepared(
                turn -> ScaleRows.forward(
                        fixture.device(),
                        out.at(turn),
                        in.at(turn),
                        scale.at(turn),
                        new MatrixShape(rows, width, fixture.dtype())),
                gate -> {
                    for (int row : fixture.sample(rows)) {
                        double[] expected = in.read((long) row * width, width);
                        double factor = scale.read(row);
                        for (int j = 0; j < width; j++) {
                            expected[j] *= factor;
                        }
                        double[] actual = out.read((long) row * width, width);
                        gate.values("out of row " + row, expected, actual, Gate.sum(0, fixture.dtype()));
                    }
                });
    }

    /** The gradient of a head's bias. */
    static Prepared columnSum(Fixture fixture) {
        int rows = fixture.shape().count("rows");
        int width = fixture.shape().count("width");
        Tensor sums = fixture.zeros(DType.F32, width);
        Tensor in = fixture.normal(1, (long) rows * width);
        Tensor scale = fixture.normal(DType.F32, 1, rows);
        return new Prepared(
                turn -> ColumnSum.forward(
                        fixture.device(),
                        sums.at(turn),
                        new ColumnSum.Matrix(in.at(turn), rows, width, width, fixture.dtype()),
                        scale.at(turn)),
                gate -> {
                    double[] factors = scale.read(0, rows);
                    for (int j : fixture.sample(width)) {
                        double expected = 0;
                        double magnitude = 0;
                        for (int row = 0; row < rows; row++) {
                            double term = factors[row] * in.read((long) row * width + j);
                            expected += term;
                            magnitude += Math.abs(term);
                        }
                        gate.value("sums[" + j + "]", expected, sums.read(j), Gate.sum(rows, DType.F32) * magnitude);
                    }
                });
    }
}
