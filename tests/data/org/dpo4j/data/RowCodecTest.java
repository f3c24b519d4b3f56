package org.dpo4j.data;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.dpo4j.data.store.RowCodec;
import org.junit.jupiter.api.Test;

/** A row that is written to a store and read again has every component unchanged. */
class RowCodecTest {

    private static <T> void assertSame(RowCodec<T> codec, T row) {
        ByteBuffer bytes = ByteBuffer.allocate(codec.bytes(row)).order(ByteOrder.LITTLE_ENDIAN);
        codec.write(row, bytes);
        assertThat(bytes.hasRemaining()).as("bytes").isFalse();
        assertThat(codec.numbers(row)).hasSize(codec.numberCount());
        T read = codec.read(bytes.flip(), codec.numbers(row));
        assertThat(bytes.hasRemaining()).as("bytes that were not read").isFalse();
        assertThat(read)
                .usingRecursiveComparison()
                .withEqualsForType(Float::equals, Float.class) // NaN equals NaN
                .isEqualTo(row);
    }

    @Test
    void pairs() {
        PairCodec codec = new PairCodec();
        assertSame(codec, new PreferencePair(7, new int[] {1, 2}, new int[] {3}, new int[] {4, 5, 6}));
        assertSame(
                codec,
                new PreferencePair(
                        8, new int[] {1}, new int[] {3}, new int[] {2, 1}, new int[] {4}, 0.25f, -1.5f, -2.5f));
        assertThat(codec.numbers(new PreferencePair(7, new int[2], new int[1], new int[3])))
                .startsWith(2, 1, 3, 0);
    }

    @Test
    void judged() {
        JudgedCodec codec = new JudgedCodec();
        assertSame(codec, new UnpairedCompletion(7, new int[] {1, 2}, new int[] {3}, true));
        assertSame(codec, new UnpairedCompletion(8, new int[] {1}, new int[] {3, 4}, new int[] {5, 6, 7}, false));
    }

    @Test
    void sequences() {
        SequenceCodec codec = new SequenceCodec();
        assertSame(codec, new Sequence(7, new int[] {1, 2}, new int[] {3, Integer.MAX_VALUE, 4}));
        Sequence masked = new Sequence(8, new int[] {1}, new int[] {3, 4, 5}, new boolean[] {true, false, true});
        assertSame(codec, masked);
        assertThat(codec.numbers(masked)).containsExactly(1, 3, 2);
    }
}
