package org.dpo4j.data;

import java.nio.ByteBuffer;
import org.dpo4j.data.store.RowCodec;

/** Unpaired completions in a store: its row and the ids of prompt, completion and its rest. The label is in the index. */
final class JudgedCodec implements RowCodec<UnpairedCompletion> {

    @Override
    public String kind() {
        return "unpaired completions";
    }

    @Override
    public int[] numbers(UnpairedCompletion row) {
        return row.outline().numbers();
    }

    @Override
    public int numberCount() {
        return UnpairedCompletion.Outline.NUMBERS;
    }

    @Override
    public int bytes(UnpairedCompletion row) {
        return Integer.BYTES * (1 + row.length() + row.rest().length);
    }

    @Override
    public void write(UnpairedCompletion row, ByteBuffer to) {
        to.putInt(row.row());
        RowCodec.putIds(to, row.prompt());
        RowCodec.putIds(to, row.completion());
        RowCodec.putIds(to, row.rest());
    }

    @Override
    public UnpairedCompletion read(ByteBuffer from, int[] numbers) {
        UnpairedCompletion.Outline outline = UnpairedCompletion.Outline.read(numbers);
        int row = from.getInt();
        int[] prompt = RowCodec.getIds(from, outline.prompt());
        int[] completion = RowCodec.getIds(from, outline.completion());
        return new UnpairedCompletion(
                row, prompt, completion, RowCodec.getIds(from, outline.rest()), outline.isDesirable());
    }
}
