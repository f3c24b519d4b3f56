package org.dpo4j.data;

import java.nio.ByteBuffer;
import java.util.stream.IntStream;
import org.dpo4j.data.store.RowCodec;

/**
 * Pairs in a store: its row, weight and log-probs of the reference, then the ids of prompt, chosen, rejected and,
 * unless it is the same, the prompt of rejected.
 */
final class PairCodec implements RowCodec<PreferencePair> {

    @Override
    public String kind() {
        return "pairs";
    }

    @Override
    public int[] lengths(PreferencePair pair) {
        return pair.lengths();
    }

    @Override
    public int lengthCount() {
        return 4;
    }

    @Override
    public int bytes(PreferencePair pair) {
        return Integer.BYTES
                + 3 * Float.BYTES
                + Integer.BYTES * IntStream.of(pair.lengths()).sum();
    }

    @Override
    public void write(PreferencePair pair, ByteBuffer to) {
        to.putInt(pair.row());
        to.putFloat(pair.weight()).putFloat(pair.referenceChosen()).putFloat(pair.referenceRejected());
        RowCodec.putIds(to, pair.prompt());
        RowCodec.putIds(to, pair.chosen());
        RowCodec.putIds(to, pair.rejected());
        if (!pair.hasSharedPrompt()) {
            RowCodec.putIds(to, pair.rejectedPrompt());
        }
    }

    @Override
    public PreferencePair read(ByteBuffer from, int[] lengths) {
        int row = from.getInt();
        float weight = from.getFloat();
        float referenceChosen = from.getFloat();
        float referenceRejected = from.getFloat();
        int[] prompt = RowCodec.getIds(from, lengths[0]);
        int[] chosen = RowCodec.getIds(from, lengths[1]);
        int[] rejected = RowCodec.getIds(from, lengths[2]);
        int[] rejectedPrompt = lengths[3] == 0 ? prompt : RowCodec.getIds(from, lengths[3]);
        return new PreferencePair(
                row, prompt, chosen, rejectedPrompt, rejected, weight, referenceChosen, referenceRejected);
    }
}
