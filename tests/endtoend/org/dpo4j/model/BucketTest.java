package org.dpo4j.model;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.TreeSet;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.data.Sequence;
import org.dpo4j.kernels.decoder.Segment;
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
    void holdsTheBatchAndARestThatNobodySees() {
        PackedBatch batch = batch(5, 17, 9, 2, 6);
        Bucket bucket = Bucket.of(batch);
        assertThat(bucket).isEqualTo(new Bucket(40, 8, 64));
        assertThat(bucket.ids(batch)).hasSize(40).startsWith(batch.ids()).endsWith(0);
        assertThat(bucket.positions(batch))
                .hasSize(40)
                .startsWith(batch.positions())
                .endsWith(0);
        List<Segment> segments = bucket.segments(batch);
        assertThat(segments).hasSize(8).startsWith(batch.segments().toArray(Segment[]::new));
        assertThat(segments.get(5)).isEqualTo(Segment.plain(39, 1, 0));
        assertThat(segments.subList(6, 8)).allMatch(segment -> segment.queryCount() == 0);
    }

    /** A batch that fills its rows has a segment of no rows too, so that it is the same bucket as one that does not. */
    @Test
    void aFullBatchIsInTheBucketOfTheOthers() {
        assertThat(Bucket.of(batch(30, 10))).isEqualTo(Bucket.of(batch(29, 10)));
        assertThat(Bucket.of(batch(30, 10)).rows()).isEqualTo(40);
    }

    @Test
    void addsFewRowsAndHasFewSizes() {
        TreeSet<Integer> sizes = new TreeSet<>();
        for (int rows = 1; rows < 5000; rows++) {
            PackedBatch batch = batch(rows);
            Bucket bucket = Bucket.of(batch);
            int added = bucket.rows() - rows;
            assertThat(added).isBetween(0, Math.max(7, rows / 32));
            assertThat(bucket.maxQueries()).isBetween(rows, rows + Math.max(63, rows / 2));
            if (rows >= 2048 && rows < 4096) {
                sizes.add(bucket.rows());
            }
        }
        assertThat(sizes).hasSize(33); // 2048, 2112, ..., 4096
    }
}
