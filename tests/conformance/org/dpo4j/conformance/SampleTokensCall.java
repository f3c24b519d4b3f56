package org.dpo4j.conformance;

import java.util.Arrays;
import java.util.Set;
import java.util.stream.IntStream;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.TokenLogProb.Transform;
import org.dpo4j.kernels.decoder.SampleTokens;
import org.dpo4j.testkit.ReferenceSampleTokens.Options;
import org.jspecify.annotations.Nullable;

/** One call of sample_tokens whose rows have one seed, and the samples 0, 1, ... of token {@code number}. */
final class SampleTokensCall {
    static final long SEED = 0x1234_5678_9ABC_DEF0L;

    private final On on;
    private final Options options;
    private int number = 3;
    private int minNewTokens;
    private int @Nullable [] logitsRows;
    private double @Nullable [] bias;
    private Transform transform = Transform.NONE;

    SampleTokensCall(On on, Options options) {
        this.on = on;
        this.options = options;
        minNewTokens = options.suppressed().isEmpty() ? 0 : number + 1;
    }

    SampleTokensCall number(int token, int minimum) {
        number = token;
        minNewTokens = minimum;
        return this;
    }

    SampleTokensCall logitsRows(int... rows) {
        logitsRows = rows;
        return this;
    }

    /** The address of the bias is set in the call. */
    SampleTokensCall transform(double[] biasOfIds, float scale, float cap) {
        bias = biasOfIds;
        transform = new Transform(0, scale, cap);
        return this;
    }

    int number() {
        return number;
    }

    /** The tokens of the rows, which have the same seen ids. Checks that the token is added to them. */
    int[] tokens(double[]... logits) {
        int vocabulary = logits[0].length;
        int rows = logitsRows == null ? logits.length : logitsRows.length;
        int stride = (vocabulary + 3) / 4 * 4 + 4;
        int words = SampleTokens.bitmapWords(vocabulary);
        int[] seen = bitmap(vocabulary, options.seen());
        int[] draws = IntStream.range(0, rows)
                .flatMap(row -> IntStream.of((int) SEED, (int) (SEED >>> 32), row, number))
                .toArray();
        // Row i has the bitmap rows - i, so that one bitmap belongs to no row.
        int[] seenRows = IntStream.range(0, rows).map(row -> rows - row).toArray();
        int[] everySeen = IntStream.rangeClosed(0, rows)
                .flatMap(row -> Arrays.stream(seen))
                .toArray();
        try (Tensors tensors = new Tensors(on)) {
            int[] unwritten = new int[rows];
            Arrays.fill(unwritten, Integer.MIN_VALUE); // -1 is a result
            Tensor tokens = tensors.updatedInts("tokens", 1, rows, rows, unwritten);
            Tensor bitmaps = tensors.updatedInts("seen", rows + 1, words, words + 3, everySeen);
            Tensor in = tensors.input(
                    "logits",
                    DType.F32,
                    logits.length,
                    vocabulary,
                    stride,
                    Arrays.stream(logits).flatMapToDouble(Arrays::stream).toArray());
            long rowIndex = logitsRows == null
                    ? 0
                    : tensors.input("logits_rows", logitsRows).address();
            long biases =
                    bias == null ? 0 : tensors.vector("bias", DType.F32, bias).address();
            long seenIndex = tensors.input("seen_rows", seenRows).address();
            long suppressed = tensors.input("suppressed", bitmap(vocabulary, options.suppressed()))
                    .address();
            long drawn = tensors.input("draws", draws).address();
            tensors.run(device -> SampleTokens.forward(
                    device,
                    new SampleTokens.Rows(tokens.address(), drawn, rows),
                    new SampleTokens.Logits(
                            in.address(),
                            rowIndex,
                            vocabulary,
                            stride,
                            new Transform(biases, transform.scale(), transform.cap())),
                    choice(options),
                    new SampleTokens.Seen(bitmaps.address(), seenIndex, words + 3),
                    new SampleTokens.Suppressed(suppressed, minNewTokens)));
            int[] result = Arrays.stream(tokens.values()).mapToInt(x -> (int) x).toArray();
            for (int row = 0; row < rows; row++) {
                int[] expected = seen.clone();
                if (result[row] >= 0) {
                    SampleTokens.setBit(expected, result[row]);
                }
                Expect.exactly(
                        "seen of row " + row,
                        bitmaps.row(rows - row),
                        Arrays.stream(expected).asDoubleStream().toArray());
            }
            return result;
        }
    }

    static SampleTokens.Choice choice(Options options) {
        return new SampleTokens.Choice(
                (float) options.penalty(),
                (float) options.temperature(),
                options.topK(),
                (float) options.topP(),
                (float) options.minP());
    }

    private static int[] bitmap(int vocabulary, Set<Integer> ids) {
        int[] bitmap = new int[SampleTokens.bitmapWords(vocabulary)];
        ids.forEach(id -> SampleTokens.setBit(bitmap, id));
        return bitmap;
    }
}
