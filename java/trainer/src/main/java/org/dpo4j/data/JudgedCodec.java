package org.dpo4j.data;

import java.nio.ByteBuffer;
import org.dpo4j.data.store.RowCodec;

/** Unpaired completions in a store: its row, its label as 1 or 0, and the ids of prompt, completion and its rest. */
final class JudgedCodec implements RowCodec<UnpairedCompletion> {

    @Override
    public String kind() {
        return "unpaired completions";
    }

    @Override
    public int[] lengths(UnpairedCompletion row) {
        return row.lengths();
    }

    @Override
    public int lengthCount() {
        return 3;
    }

    @Override
    public int bytes(UnpairedCompletion row) {
        return Integer.BYTES * (2 + row.length() + row.rest().length);
    }

    @Override
    public void write(UnpairedCompletion row, ByteBuffer to) {
        to.putInt(row.row()).putInt(row.isDesirable() ? 1 : 0);
        RowCodec.putIds(to, row.prompt());
        RowCodec.putIds(to, row.completion());
        RowCodec.putIds(to, row.rest());
    }

    @Override
    public UnpairedCompletion read(ByteBuffer from, int[] lengths) {
        int row = from.getInt();
        boolean isDesirable = from.getInt() == 1;
        int[] prompt = RowCodec.getIds(from, lengths[0]);
        int[] completion = RowCodec.getIds(from, lengths[1]);
        return new UnpairedCompletion(row, prompt, completion, RowCodec.getIds(from, lengths[2]), isDesirable);
    }
}
