package org.dpo4j.data;

import java.nio.ByteBuffer;
import org.dpo4j.data.store.RowCodec;

/**
 * Pairs in a store: its row, then the ids of prompt, chosen, rejected and, unless it is the same, the prompt of rejected. All
 * else is in the index.
 */
final class PairCodec implements RowCodec<PreferencePair> {

    @Override
    public String kind() {
        return "pairs";
    }

    @Override
    public int[] numbers(PreferencePair pair) {
        return pair.outline().numbers();
    }

    @Override
    public int numberCount() {
        return PreferencePair.Outline.NUMBERS;
    }

    @Override
    public int bytes(PreferencePair pair) {
        int prompts = pair.prompt().length + (pair.hasSharedPrompt() ? 0 : pair.rejectedPrompt().length);
        return Integer.BYTES * (1 + prompts + pair.chosen().length + pair.rejected().length);
    }

    @Override
    public void write(PreferencePair pair, ByteBuffer to) {
        to.putInt(pair.row());
        RowCodec.putIds(to, pair.prompt());
        RowCodec.putIds(to, pair.chosen());
        RowCodec.putIds(to, pair.rejected());
        if (!pair.hasSharedPrompt()) {
            RowCodec.putIds(to, pair.rejectedPrompt());
        }
    }

    @Override
    public PreferencePair read(ByteBuffer from, int[] numbers) {
        PreferencePair.Outline outline = PreferencePair.Outline.read(numbers);
        int row = from.getInt();
        int[] prompt = RowCodec.getIds(from, outline.prompt());
        int[] chosen = RowCodec.getIds(from, outline.chosen());
        int[] rejected = RowCodec.getIds(from, outline.rejected());
        int[] rejectedPrompt = outline.hasSharedPrompt() ? prompt : RowCodec.getIds(from, outline.ownPrompt());
        return new PreferencePair(
                row,
                prompt,
                chosen,
                rejectedPrompt,
                rejected,
                outline.weight(),
                outline.referenceChosen(),
                outline.referenceRejected());
    }
}
