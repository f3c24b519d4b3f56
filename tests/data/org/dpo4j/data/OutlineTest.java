package org.dpo4j.data;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import java.util.function.Function;
import org.dpo4j.data.store.RowCodec;
import org.dpo4j.data.store.StoreDirectory;
import org.dpo4j.data.store.StoreWriter;
import org.dpo4j.data.store.StoredRows;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The outline of a row is the same from the index of a store and from the row. */
class OutlineTest {
    private static final int[] ONE = {7};
    private static final int[] TWO = {5, 6};
    private static final int[] THREE = {1, 2, 3};

    @TempDir
    private Path directory;

    private interface InList<T> {
        Object find(List<T> rows, int index);
    }

    /** In a file, and in memory. */
    private <T> void assertSame(RowCodec<T> codec, List<T> rows, InList<T> inList, Function<T, Object> outline) {
        for (String name : new String[] {"kept", null}) {
            try (StoreWriter<T> writer = new StoreWriter<>(codec, new StoreDirectory(directory))) {
                rows.forEach(writer::add);
                StoredRows<T> stored = writer.finish(name, "");
                for (int i = 0; i < rows.size(); i++) {
                    assertThat(inList.find(stored, i)).isEqualTo(outline.apply(rows.get(i)));
                    assertThat(inList.find(rows, i)).isEqualTo(outline.apply(rows.get(i)));
                }
            }
        }
    }

    /** Sizes counted by hand. */
    @Test
    void pairs() {
        PreferencePair shared = new PreferencePair(1, TWO, ONE, THREE);
        PreferencePair own = new PreferencePair(2, THREE, TWO, TWO, ONE, 0.5f, -1.5f, -2.5f);
        assertThat(shared.outline())
                .isEqualTo(new PreferencePair.Outline(2, 1, 3, 0, 1, Float.NaN, Float.NaN))
                .returns(5, PreferencePair.Outline::length)
                .returns(8, PreferencePair.Outline::tokens)
                .returns(false, PreferencePair.Outline::hasReference);
        assertThat(own.outline())
                .isEqualTo(new PreferencePair.Outline(3, 2, 1, 2, 0.5f, -1.5f, -2.5f))
                .returns(5, PreferencePair.Outline::length)
                .returns(8, PreferencePair.Outline::tokens)
                .returns(true, PreferencePair.Outline::hasReference);
        assertThat(new PairLayout(true, Integer.MAX_VALUE).tokens(shared.outline()))
                .isEqualTo(6);
        assertThat(new PairLayout(true, 4).tokens(shared.outline()))
                .as("other rotary frequencies for the rejected sequence")
                .isEqualTo(8);
        assertThat(new PairLayout(true, Integer.MAX_VALUE).tokens(own.outline()))
                .isEqualTo(8);
        assertSame(new PairCodec(), List.of(shared, own), PreferencePair::outline, PreferencePair::outline);
    }

    @Test
    void sequences() {
        Sequence masked = new Sequence(2, TWO, THREE, new boolean[] {true, false, true});
        assertThat(masked.outline()).isEqualTo(new Sequence.Outline(2, 3, 2)).returns(5, Sequence.Outline::length);
        assertSame(
                new SequenceCodec(),
                List.of(new Sequence(1, THREE, ONE), masked),
                Sequence::outline,
                Sequence::outline);
    }

    @Test
    void judged() {
        UnpairedCompletion cut = new UnpairedCompletion(2, TWO, ONE, THREE, false);
        assertThat(cut.outline()).isEqualTo(new UnpairedCompletion.Outline(2, 1, 3, false));
        assertSame(
                new JudgedCodec(),
                List.of(new UnpairedCompletion(1, ONE, TWO, true), cut),
                UnpairedCompletion::outline,
                UnpairedCompletion::outline);
    }

    @Test
    void completionsOfPairs() {
        List<PreferencePair> pairs = List.of(
                new PreferencePair(1, TWO, ONE, THREE),
                new PreferencePair(2, THREE, TWO, TWO, ONE, 1, Float.NaN, Float.NaN));
        UnpairedRows rows = new UnpairedRows(pairs);
        for (int i = 0; i < rows.size(); i++) {
            assertThat(UnpairedCompletion.outline(rows, i))
                    .isEqualTo(rows.get(i).outline());
        }
    }
}
