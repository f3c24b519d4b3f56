package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.data.Shuffle;
import org.dpo4j.model.PassMemory;
import org.dpo4j.train.Passes.BatchSize;
import org.junit.jupiter.api.Test;

/** The maximum memory of many batches. */
class PassesTest {
    private static final List<BatchSize> ROWS = List.of(
            new BatchSize(5, 4, 4, 3, 1),
            new BatchSize(2, 9, 9, 8, 1),
            new BatchSize(7, 1, 1, 6, 1),
            new BatchSize(3, 5, 5, 2, 1));

    private static final BatchSize UNREACHABLE = new BatchSize(100, 100, 100, 100, 100);

    private static BatchSize size(int[] batch) {
        return IntStream.of(batch).mapToObj(ROWS::get).reduce(BatchSize.NONE, BatchSize::plus);
    }

    private static BatchSize bound(List<BatchSize> rows, int batch) {
        return RowSizes.measure(rows.size(), rows::get, row -> 0).bound(batch);
    }

    /** The maximum, if the memory of a batch is its sizes. Adds the batches that are packed to {@code packed}. */
    private static PassMemory max(Stream<int[]> batches, BatchSize bound, List<int[]> packed) {
        return Passes.maxMemory(
                batch -> {
                    BatchSize size = size(packed.get(packed.size() - 1));
                    return new PassMemory(size.rows(), size.tokens(), size.longest(), size.group(), size.count());
                },
                batches,
                PassesTest::size,
                batch -> {
                    packed.add(batch);
                    return PackedBatch.sequences(List.of());
                },
                bound);
    }

    private static Stream<int[]> shuffled(int epochs) {
        return IntStream.range(0, epochs)
                .boxed()
                .flatMap(epoch -> Passes.inOrder(Shuffle.order(ROWS.size(), 7, epoch), 2));
    }

    /** By hand: rows 5 + 7, tokens 9 + 5, the largest group and sequence, two rows. */
    @Test
    void theBoundIsTheSumOfTheLargestRows() {
        assertThat(bound(ROWS, 2)).isEqualTo(new BatchSize(12, 14, 9, 8, 2));
        assertThat(bound(ROWS, 9)).isEqualTo(new BatchSize(17, 19, 9, 8, 4));
        assertThat(bound(List.of(), 2)).isEqualTo(BatchSize.NONE);
    }

    @Test
    void theBoundDoesNotChangeTheMaximum() {
        for (int epochs = 1; epochs < 20; epochs++) {
            assertThat(max(shuffled(epochs), bound(ROWS, 2), new ArrayList<>()))
                    .isEqualTo(max(shuffled(epochs), UNREACHABLE, new ArrayList<>()));
        }
    }

    @Test
    void noBatchIsReadAfterTheBoundIsReached() {
        List<int[]> read = new ArrayList<>();
        assertThat(max(shuffled(1000).peek(read::add), bound(ROWS, 2), new ArrayList<>()))
                .isEqualTo(new PassMemory(12, 14, 8, 9, 2));
        assertThat(read).hasSizeLessThan(100);
    }
}
