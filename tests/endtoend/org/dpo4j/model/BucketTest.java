package org.dpo4j.model;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.IntStream;
import org.dpo4j.data.Dataset;
import org.dpo4j.data.OnBadRow;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.data.ReadOptions;
import org.dpo4j.data.Sequence;
import org.dpo4j.data.Shuffle;
import org.dpo4j.data.Tokenizer;
import org.dpo4j.data.Truncation;
import org.dpo4j.data.TruncationMode;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.decoder.Segment;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class BucketTest {
    private static PackedBatch batch(int... lengths) {
        List<Sequence> sequences = new ArrayList<>();
        Random random = new Random(lengths.length);
        for (int length : lengths) {
            sequences.add(new Sequence(0, random.ints(length, 1, 30).toArray(), new int[] {1}));
        }
        return PackedBatch.sequences(sequences);
    }

    @Test
    void aBucketHoldsTheBatchAndPaddingThatNoRowAttendsTo() {
        PackedBatch batch = batch(5, 17, 9, 2, 6);
        Bucket bucket = Bucket.rounded(batch);
        assertThat(bucket).isEqualTo(new Bucket(40, 8, 64));
        assertThat(bucket.padded(batch.ids()))
                .hasSize(40)
                .startsWith(batch.ids())
                .endsWith(0);
        assertThat(bucket.padded(batch.positions()))
                .hasSize(40)
                .startsWith(batch.positions())
                .endsWith(0);
        List<Segment> segments = bucket.segments(batch);
        assertThat(segments).hasSize(8).startsWith(batch.segments().toArray(Segment[]::new));
        assertThat(segments.get(5)).isEqualTo(Segment.plain(39, 1, 0));
        assertThat(segments.subList(6, 8)).allMatch(segment -> segment.queryCount() == 0);
    }

    /**
     * A batch that needs no padding rows gets an empty padding segment, so it shares its bucket with batches that need
     * some.
     */
    @Test
    void aBatchWithoutPaddingRowsHasTheSameBucket() {
        assertThat(Bucket.rounded(batch(30, 10))).isEqualTo(Bucket.rounded(batch(29, 10)));
        assertThat(Bucket.rounded(batch(30, 10)).rows()).isEqualTo(40);
    }

    @Test
    void paddingIsSmallAndSizesAreFew() {
        TreeSet<Integer> sizes = new TreeSet<>();
        for (int rows = 1; rows < 5000; rows++) {
            PackedBatch batch = batch(rows);
            Bucket bucket = Bucket.rounded(batch);
            int added = bucket.rows() - rows;
            assertThat(added).isBetween(0, Math.max(7, rows / 16));
            assertThat(bucket.maxQueries()).isBetween(rows, rows + Math.max(63, rows));
            if (rows >= 2048 && rows < 4096) {
                sizes.add(bucket.rows());
            }
            int rounded = Bucket.headRows(rows, 3000);
            assertThat(rounded - rows).isBetween(0, Math.max(7, rows / 16));
            assertThat(rounded <= 3000)
                    .as("%d rows are rounded to %d", rows, rounded)
                    .isEqualTo(rows <= 3000);
        }
        assertThat(sizes).hasSize(17); // 2048, 2176, ..., 4096
    }

    /** A device that captures nothing and counts launches of graphs. */
    private static final class Counted implements InvocationHandler {
        int launches;
        int captures;

        Device device() {
            return (Device)
                    Proxy.newProxyInstance(BucketTest.class.getClassLoader(), new Class<?>[] {Device.class}, this);
        }

        @Override
        public Object invoke(Object proxy, Method method, Object[] arguments) {
            assertThat(method.getName()).isEqualTo("capture");
            captures++;
            return new Device.Graph() {
                @Override
                public void launch() {
                    launches++;
                }

                @Override
                public long nodes() {
                    return 1;
                }

                @Override
                public void close() {}
            };
        }
    }

    /** With real pairs few rows are added, and most passes of the decoder are graphs, of which few are captured again. */
    @Test
    @Tag("large")
    void realPairsNeedLittlePaddingAndReuseBuckets() {
        List<PreferencePair> pairs;
        try (Tokenizer tokenizer = Tokenizer.load(TestFiles.real("models/TinyStories-656K"), 2048)) {
            pairs = Dataset.pairs(
                            TestFiles.real("preference/hh-rlhf/hh-helpful-base.train.jsonl"),
                            new ReadOptions(tokenizer, 2048, Truncation.to(1024, TruncationMode.RAISE), OnBadRow.SKIP))
                    .rows();
        }
        for (int size : new int[] {4, 8, 16}) {
            long rows = 0;
            long bucketRows = 0;
            int batches = 0;
            Set<Bucket> seen = new HashSet<>();
            Counted counted = new Counted();
            Graphs graphs = new Graphs(counted.device(), true);
            for (int epoch = 0; epoch < 3; epoch++) {
                int[] order = Shuffle.order(pairs.size(), 42, epoch);
                for (int begin = 0; begin + size <= pairs.size(); begin += size) {
                    PackedBatch batch = PackedBatch.pairs(
                            IntStream.range(begin, begin + size)
                                    .mapToObj(i -> pairs.get(order[i]))
                                    .toList(),
                            true);
                    Bucket bucket = Bucket.rounded(batch);
                    rows += batch.rows();
                    bucketRows += bucket.rows();
                    seen.add(bucket);
                    graphs.run(List.of("forward", bucket), () -> {});
                    graphs.run(List.of("backward", bucket), () -> {});
                    batches++;
                }
            }
            // Padding is at most 1 in 16. Between two powers of two it is about a quarter of that on average.
            assertThat((double) (bucketRows - rows) / rows)
                    .as("rows added, %d pairs", size)
                    .isBetween(0.01, 0.03);
            assertThat(counted.launches / (2.0 * batches))
                    .as("graphs launched, %d pairs, %d buckets", size, seen.size())
                    .isGreaterThan(size == 4 ? 0.45 : size == 8 ? 0.6 : 0.75);
            assertThat(counted.captures).as("graphs captured, %d pairs", size).isLessThan(2 * Graphs.MAX_GRAPHS);
        }
    }
}
