package org.dpo4j.bench.device;

import java.util.Arrays;
import java.util.stream.IntStream;
import org.dpo4j.bench.device.Benchmark.Check;
import org.dpo4j.bench.device.Benchmark.Prepared;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.decoder.ColumnSum;
import org.dpo4j.kernels.decoder.CopyRows;
import org.dpo4j.kernels.decoder.Embedding;
import org.dpo4j.kernels.decoder.MatrixShape;
import org.dpo4j.kernels.decoder.Residual;
import org.dpo4j.kernels.decoder.ScaleRows;
import org.dpo4j.kernels.decoder.UniformNoise;
import org.dpo4j.testkit.Expected;
import org.dpo4j.testkit.ReferencePhilox;
import org.dpo4j.testkit.Tolerance;

/** Operations that copy, scale or add rows: residual, copy_rows, scale_rows, column_sum, embedding. */
final class RowsBenchmark {
    /** How often an index occurs in the backward pass of embedding. */
    private static final int OCCURRENCES = 4;

    private RowsBenchmark() {}

    static Prepared residual(Fixture fixture) {
        MatrixShape shape = fixture.matrix();
        int width = fixture.count("width");
        long count = shape.rows() * width;
        Operand out = fixture.zeros(count);
        Operand a = fixture.normal(1, count);
        Operand b = fixture.normal(1, count);
        return new Prepared(
                turn -> Residual.forward(
                        fixture.device(), out.at(turn), a.at(turn), b.at(turn), count, fixture.dtype()),
                gate -> gate.rows("out", out, fixture.sample(shape.rows()), row -> {
                    double[] sum = a.row(row, width);
                    double[] other = b.row(row, width);
                    Arrays.setAll(sum, j -> sum[j] + other[j]);
                    return Expected.rounded(fixture.dtype(), sum);
                }));
    }

    /** Copies rows at random indices, as the LM head gathers the rows of completions. */
    static Prepared copyRows(Fixture fixture) {
        MatrixShape shape = fixture.matrix();
        int rows = fixture.count("rows");
        int width = fixture.count("width");
        Operand out = fixture.zeros(shape.rows() * width);
        Operand in = fixture.normal(1, 2 * shape.rows() * width);
        Operand from = fixture.indices(rows, 2 * rows);
        return new Prepared(
                turn -> CopyRows.forward(
                        fixture.device(),
                        new CopyRows.To(out.at(turn), 0, width),
                        new CopyRows.From(in.at(turn), from.at(turn), width),
                        shape),
                areCopies(fixture, out, in, from));
    }

    static Prepared embeddingForward(Fixture fixture) {
        int rows = fixture.count("rows");
        int width = fixture.count("width");
        int vocabulary = fixture.count("vocabulary");
        Operand out = fixture.zeros((long) rows * width);
        Operand table = fixture.normal(0.02, (long) vocabulary * width);
        Operand indices = fixture.indices(rows, vocabulary);
        return new Prepared(
                turn -> Embedding.forward(
                        fixture.device(),
                        out.at(turn),
                        new Embedding.Table(table.at(turn), width, scale(fixture), fixture.dtype()),
                        new Embedding.Indices(indices.at(turn), rows, vocabulary)),
                areCopies(fixture, out, table, indices));
    }

    /** The factor of the embedding. */
    private static float scale(Fixture fixture) {
        return fixture.shape().countOr("scale", 1);
    }

    /** Rows of {@code in}, times the factor of the shape, if it has one. */
    private static Check areCopies(Fixture fixture, Operand out, Operand in, Operand from) {
        int width = fixture.count("width");
        double scale = scale(fixture);
        return gate -> gate.rows("out", out, fixture.sample(from.count()), row -> {
            double[] copy = in.row((long) from.read(row), width);
            Arrays.setAll(copy, j -> scale * copy[j]);
            return scale == 1 ? Expected.exact(copy) : Expected.rounded(fixture.dtype(), copy);
        });
    }

    /** The rows of the first index, if a shape has an index that occurs more often than the others. */
    private static int frequent(Shape shape) {
        return shape.countOr("frequent", 0);
    }

    /** The indices that occur. */
    static int ranges(Shape shape) {
        int frequent = frequent(shape);
        return ((int) shape.at("rows") - frequent) / OCCURRENCES + (frequent > 0 ? 1 : 0);
    }

    /**
     * The rows of an index are far apart: those of the others {@code distinct} rows, and behind all of them those of the
     * frequent one. Empty ranges come last.
     */
    static Prepared embeddingBackward(Fixture fixture) {
        int rows = fixture.count("rows");
        int width = fixture.count("width");
        int frequent = frequent(fixture.shape());
        int distinct = (rows - frequent) / OCCURRENCES;
        int ranges = ranges(fixture.shape());
        int empty = fixture.shape().countOr("empty", 0);
        float scale = scale(fixture);
        Operand dTable = fixture.zeros(DType.F32, fixture.at("vocabulary") * width);
        Operand dOut = fixture.normal(1, (long) rows * width);
        int[] sorted = IntStream.concat(
                        IntStream.range(rows - frequent, rows),
                        IntStream.range(0, rows - frequent).map(i -> i % OCCURRENCES * distinct + i / OCCURRENCES))
                .toArray();
        int first = ranges - distinct;
        int[] begins = IntStream.rangeClosed(0, ranges + empty)
                .map(s -> s < first ? 0 : frequent + OCCURRENCES * (Math.min(s, ranges) - first))
                .toArray();
        Operand order = fixture.ints(sorted);
        Operand offsets = fixture.ints(begins);
        Operand indices = fixture.ints(IntStream.range(0, ranges + empty)
                .map(s -> s < ranges ? 2 * s : 0)
                .toArray());
        return new Prepared(
                turn -> Embedding.backward(
                        fixture.device(),
                        new Embedding.Table(dTable.at(turn), width, scale, DType.F32),
                        dOut.at(turn),
                        new Embedding.SortedRows(order.at(turn), offsets.at(turn), indices.at(turn), ranges + empty),
                        fixture.dtype()),
                gate -> {
                    for (int s : IntStream.concat(IntStream.range(0, first), IntStream.of(fixture.sample(ranges)))
                            .toArray()) {
                        double[] sums = new double[width];
                        double[] magnitudes = new double[width];
                        for (int i = begins[s]; i < begins[s + 1]; i++) {
                            double[] row = dOut.row(sorted[i], width);
                            Arrays.setAll(sums, j -> sums[j] + scale * row[j]);
                            Arrays.setAll(magnitudes, j -> magnitudes[j] + Math.abs(scale * row[j]));
                        }
                        String what = "d_table of row " + 2 * s;
                        double[] actual = dTable.row(2L * s, width);
                        // A sum of so many terms, its product with the factor, and the start value.
                        int terms = begins[s + 1] - begins[s];
                        gate.values(what, sums, actual, j -> Tolerance.sum(terms + 2, magnitudes[j]));
                    }
                });
    }

    static Prepared scaleRows(Fixture fixture) {
        MatrixShape shape = fixture.matrix();
        int width = fixture.count("width");
        Operand out = fixture.zeros(shape.rows() * width);
        Operand in = fixture.normal(1, shape.rows() * width);
        Operand scale = fixture.normal(DType.F32, 1, shape.rows());
        return new Prepared(
                turn -> ScaleRows.forward(fixture.device(), out.at(turn), in.at(turn), scale.at(turn), shape),
                gate -> gate.rows("out", out, fixture.sample(shape.rows()), row -> {
                    double factor = scale.read(row);
                    double[] scaled = in.row(row, width);
                    Arrays.setAll(scaled, j -> factor * scaled[j]);
                    return Expected.rounded(fixture.dtype(), scaled);
                }));
    }

    static Prepared uniformNoise(Fixture fixture) {
        MatrixShape shape = fixture.matrix();
        int rows = fixture.count("rows");
        int width = fixture.count("width");
        Operand out = fixture.zeros(shape.rows() * width);
        Operand scale = fixture.normal(DType.F32, 1, rows);
        Operand numbers = fixture.indices(rows, rows);
        Operand random = fixture.ints(1, 2, 3);
        return new Prepared(
                turn -> UniformNoise.add(
                        fixture.device(),
                        new UniformNoise.Matrix(out.at(turn), rows, width, width, fixture.dtype()),
                        new UniformNoise.Source(scale.at(turn), numbers.at(turn), numbers.at(turn), random.at(turn))),
                gate -> gate.rows("out", out, fixture.sample(shape.rows()), row -> {
                    int number = (int) numbers.read(row);
                    double[] noise = new double[width];
                    Arrays.setAll(noise, j -> scale.read(row) * uniform(j, number));
                    return Expected.rounded(fixture.dtype(), noise);
                }));
    }

    private static double uniform(int column, int number) {
        int[] words = ReferencePhilox.bits(new int[] {column / 4, number, number, 3}, new int[] {1, 2});
        return (2L * (words[column % 4] >>> 9) + 1) * 0x1p-23 - 1;
    }

    /** The gradient of a head's bias. */
    static Prepared columnSum(Fixture fixture) {
        int rows = fixture.count("rows");
        int width = fixture.count("width");
        Operand sums = fixture.zeros(DType.F32, width);
        Operand in = fixture.normal(1, (long) rows * width);
        Operand scale = fixture.normal(DType.F32, 1, rows);
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
                        gate.value("sums[" + j + "]", expected, sums.read(j), Tolerance.sum(rows + 2, magnitude));
                    }
                });
    }
}
