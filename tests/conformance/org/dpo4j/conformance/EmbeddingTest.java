package org.dpo4j.conformance;

import java.util.Arrays;
import java.util.Comparator;
import java.util.stream.IntStream;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.decoder.Embedding;
import org.dpo4j.testkit.Draw;
import org.dpo4j.testkit.Expected;
import org.dpo4j.testkit.ReferenceEmbedding;
import org.dpo4j.testkit.Tolerance;
import org.junit.jupiter.api.Tag;

class EmbeddingTest {

    @OnEachDType
    @Tag("small")
    void forward(On on) {
        int[][] shapes = {
            {1, 1, 1}, {5, 3, 7}, {4, 9, 8}, {9, 2, 31}, {17, 50, 64}, {3, 7, 130}, {5, 3, 2056}, {0, 3, 8}
        };
        for (int[] shape : shapes) {
            forward(on, shape[0], shape[1], shape[2], 1);
            forward(on, shape[0], shape[1], shape[2], 4.90625f);
        }
    }

    private static void forward(On on, int rows, int tableRows, int width, float scale) {
        Draw draw = new Draw(width);
        int[] rowIndices = draw.indices(rows, tableRows);
        if (rows > 4) {
            rowIndices[1] = -1;
            rowIndices[2] = tableRows;
            rowIndices[3] = Integer.MAX_VALUE;
            rowIndices[4] = Integer.MIN_VALUE;
        }
        try (Tensors tensors = new Tensors(on)) {
            Tensor out = tensors.output("out", on.dtype(), rows, width);
            // Memory has one more row than the call is told of. If the kernel read it for a bad index, the result
            // would not be the expected NaN.
            Tensor table =
                    tensors.input("table", on.dtype(), tableRows + 1, width, draw.normal((tableRows + 1) * width, 1));
            Tensor indices = tensors.input("indices", rowIndices);
            tensors.run(device -> Embedding.forward(
                    device,
                    out.address(),
                    new Embedding.Table(table.address(), width, scale, on.dtype()),
                    new Embedding.Indices(indices.address(), rows, tableRows)));
            double[] copies = ReferenceEmbedding.forward(table.values(), tableRows, width, rowIndices);
            double[] scaled = Arrays.stream(copies).map(x -> scale * x).toArray();
            // A copy rounds nothing.
            Expect.near(
                    "embedding of [%d, %d] from %d, times %s".formatted(rows, width, tableRows, scale),
                    out.values(),
                    scale == 1 ? Expected.exact(copies) : Expected.rounded(on.dtype(), scaled));
        }
    }

    @OnEachDType
    @Tag("small")
    void backward(On on) {
        int[][] shapes = {{1, 1, 1}, {5, 3, 7}, {40, 4, 8}, {9, 20, 31}, {17, 50, 64}, {70, 1, 130}, {90, 60, 8}};
        backward(on, shapes);
    }

    /** Ranges of more than 128 rows are cut into parts, and those of more than 1024 into parts that are added eight at a time. */
    @OnEachDType
    void backwardOfFrequentIndices(On on) {
        backward(on, new int[][] {{128, 1, 8}, {129, 1, 8}, {300, 2, 40}, {700, 3, 31}, {1200, 1, 264}, {3000, 40, 8}});
    }

    private static void backward(On on, int[][] shapes) {
        for (int[] shape : shapes) {
            backward(on, shape[0], shape[1], shape[2], 1, on.dtype());
            backward(on, shape[0], shape[1], shape[2], 1, DType.F32);
            backward(on, shape[0], shape[1], shape[2], 4.90625f, DType.F32);
        }
    }

    private static void backward(On on, int rows, int tableRows, int width, float scale, DType dTableType) {
        Draw draw = new Draw(rows);
        int[] indices = draw.indices(rows, tableRows);
        int[] sorted = IntStream.range(0, rows)
                .boxed()
                .sorted(Comparator.comparingInt(row -> indices[row]))
                .mapToInt(row -> row)
                .toArray();
        int[] occurring = Arrays.stream(indices).sorted().distinct().toArray();
        // Empty ranges before each index and after the last: of a row that occurs, of one that does not exist, and of
        // none.
        int segments = 2 * occurring.length + 3;
        int[] rowsOfRanges = new int[segments];
        int[] ranges = new int[segments + 1];
        for (int s = 0; s < segments; s++) {
            boolean occurs = s % 2 == 1 && s / 2 < occurring.length;
            int index = occurs ? occurring[s / 2] : new int[] {occurring[0], tableRows, -1}[s % 3];
            rowsOfRanges[s] = index;
            ranges[s + 1] = ranges[s]
                    + (occurs
                            ? (int) Arrays.stream(indices)
                                    .filter(i -> i == index)
                                    .count()
                            : 0);
        }
        try (Tensors tensors = new Tensors(on)) {
            double[] initial = draw.normal(tableRows * width, 1);
            Tensor dTable = tensors.updated("d_table", dTableType, tableRows, width, initial)
                    .writes(row -> Arrays.binarySearch(occurring, row) >= 0);
            double[] expected = dTable.values();
            double[] magnitudes = Arrays.stream(expected).map(Math::abs).toArray();
            Tensor dOut = tensors.input("d_out", on.dtype(), rows, width, draw.normal(rows * width, 1));
            Tensor order = tensors.input("order", sorted);
            Tensor offsets = tensors.input("offsets", ranges);
            Tensor distinct = tensors.input("distinct", rowsOfRanges);
            tensors.run(device -> Embedding.backward(
                    device,
                    new Embedding.Table(dTable.address(), width, scale, dTableType),
                    dOut.address(),
                    new Embedding.SortedRows(order.address(), offsets.address(), distinct.address(), segments),
                    on.dtype()));
            double[] sums = ReferenceEmbedding.backward(dOut.values(), tableRows, width, indices);
            double[] sizes = ReferenceEmbedding.backward(
                    Arrays.stream(dOut.values()).map(Math::abs).toArray(), tableRows, width, indices);
            for (int i = 0; i < expected.length; i++) {
                expected[i] += scale * sums[i];
                magnitudes[i] += scale * sizes[i];
            }
            // A sum of at most `rows` terms, a product, and the start value.
            Expect.near(
                    "d_table %s of [%d, %d]".formatted(dTableType, tableRows, width),
                    dTable.values(),
                    expected,
                    i -> Tolerance.stored(dTableType, expected[i], Tolerance.sum(rows + 2, magnitudes[i])));
        }
    }

    /** The bits of a sum are the same wherever its range begins, and whatever other ranges there are. */
    @OnEachDType
    void aSumDependsOnItsRangeAlone(On on) {
        int rows = 500;
        int others = 77;
        int width = 40;
        try (Tensors tensors = new Tensors(on)) {
            Tensor dOut = tensors.input("d_out", on.dtype(), rows, width, new Draw(6).normal(rows * width, 1));
            double[] initial = new double[2 * width];
            Tensor alone = tensors.updated("d_table of one", DType.F32, 2, width, initial)
                    .writes(row -> row == 1);
            Tensor beside = tensors.updated("d_table of two", DType.F32, 2, width, initial);
            int[] behind = IntStream.range(0, others + rows)
                    .map(i -> Math.floorMod(i - others, rows))
                    .toArray();
            Tensor order = tensors.input("order", behind);
            Tensor offsets = tensors.input("offsets", 0, others, others + rows);
            Tensor distinct = tensors.input("distinct", 0, 1);
            tensors.run(device -> {
                Embedding.backward(
                        device,
                        new Embedding.Table(beside.address(), width, 1, DType.F32),
                        dOut.address(),
                        new Embedding.SortedRows(order.address(), offsets.address(), distinct.address(), 2),
                        on.dtype());
                Embedding.backward(
                        device,
                        new Embedding.Table(alone.address(), width, 1, DType.F32),
                        dOut.address(),
                        new Embedding.SortedRows(
                                order.address(),
                                offsets.address() + Integer.BYTES,
                                distinct.address() + Integer.BYTES,
                                1),
                        on.dtype());
            });
            Expect.exactly("row 1", alone.row(1), beside.row(1));
        }
    }

    @OnEachDType
    @Tag("small")
    void refusesBadArguments(On on) {
        try (Tensors tensors = new Tensors(on)) {
            Tensor out = tensors.output("out", on.dtype(), 2, 8);
            Tensor table = tensors.input("table", on.dtype(), 3, 8, new Draw(1).normal(24, 1));
            Tensor indices = tensors.input("indices", 0, 2);
            new Refusals(tensors, "embedding_forward")
                    .address("out", out)
                    .address("table", table)
                    .indices("indices", indices)
                    .size("rows", 2, -1)
                    .size("table_rows", 3, 0, -1)
                    .size("width", 8, 0, -1)
                    .number("scale", 2, Float.NaN, Float.NEGATIVE_INFINITY)
                    .dtype("dtype", on)
                    .check((device, a) -> Embedding.forward(
                            device,
                            a.get("out"),
                            new Embedding.Table(a.get("table"), a.get("width"), a.number("scale"), a.dtype("dtype")),
                            new Embedding.Indices(a.get("indices"), a.get("rows"), a.get("table_rows"))));
        }
        try (Tensors tensors = new Tensors(on)) {
            Tensor dTable = tensors.updated("d_table", on.dtype(), 3, 8, new Draw(2).normal(24, 1));
            Tensor dOut = tensors.input("d_out", on.dtype(), 2, 8, new Draw(3).normal(16, 1));
            Tensor order = tensors.input("order", 0, 1);
            Tensor offsets = tensors.input("offsets", 0, 1, 2);
            Tensor distinct = tensors.input("distinct", 0, 2);
            new Refusals(tensors, "embedding_backward")
                    .address("d_table", dTable)
                    .address("d_out", dOut)
                    .indices("order", order)
                    .indices("offsets", offsets)
                    .indices("distinct", distinct)
                    .size("segments", 2, -1)
                    .size("width", 8, 0, -1)
                    .number("scale", 2, Float.NaN, Float.NEGATIVE_INFINITY)
                    .dtype("d_table_dtype", on)
                    .dtype("dtype", on)
                    .check((device, a) -> Embedding.backward(
                            device,
                            new Embedding.Table(
                                    a.get("d_table"), a.get("width"), a.number("scale"), a.dtype("d_table_dtype")),
                            a.get("d_out"),
                            new Embedding.SortedRows(
                                    a.get("order"), a.get("offsets"), a.get("distinct"), a.get("segments")),
                            a.dtype("dtype")));
        }
    }
}
