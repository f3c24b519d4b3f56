package org.dpo4j.train;

import java.util.BitSet;
import java.util.function.IntFunction;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.train.reference.RowHash;

/** The {@link RowHash} of each row, computed once: 16 bytes a row. */
final class RowHashes implements IntFunction<RowHash> {
    private final IntFunction<PackedBatch> pack;
    private final BitSet known = new BitSet();
    private final long[] high;
    private final long[] low;

    /** {@code pack}: packs a row alone. */
    RowHashes(int rows, IntFunction<PackedBatch> pack) {
        this.pack = pack;
        this.high = new long[rows];
        this.low = new long[rows];
    }

    @Override
    public RowHash apply(int row) {
        if (!known.get(row)) {
            RowHash hash = RowHash.find(pack.apply(row));
            high[row] = hash.high();
            low[row] = hash.low();
            known.set(row);
        }
        return new RowHash(high[row], low[row]);
    }
}
