package org.dpo4j.data;

import java.nio.ByteBuffer;
import org.dpo4j.data.store.RowCodec;

/** Sequences in a store: its row and the ids of prompt and completion, then which tokens are learnt, unless all are. */
final class SequenceCodec implements RowCodec<Sequence> {

    @Override
    public String kind() {
        return "sequences";
    }

    @Override
    public int[] lengths(Sequence sequence) {
        return sequence.lengths();
    }

    @Override
    public int lengthCount() {
        return 3;
    }

    @Override
    public int bytes(Sequence sequence) {
        return Integer.BYTES * (1 + sequence.length())
                + (sequence.targets() == null ? 0 : sequence.completion().length);
    }

    @Override
    public void write(Sequence sequence, ByteBuffer to) {
        to.putInt(sequence.row());
        RowCodec.putIds(to, sequence.prompt());
        RowCodec.putIds(to, sequence.completion());
        if (sequence.targets() != null) {
            for (boolean isTarget : sequence.targets()) {
                to.put((byte) (isTarget ? 1 : 0));
            }
        }
    }

    @Override
    public Sequence read(ByteBuffer from, int[] lengths) {
        int row = from.getInt();
        int[] prompt = RowCodec.getIds(from, lengths[0]);
        int[] completion = RowCodec.getIds(from, lengths[1]);
        boolean[] targets = lengths[2] < lengths[1] ? new boolean[completion.length] : null;
        for (int i = 0; targets != null && i < targets.length; i++) {
            targets[i] = from.get() != 0;
        }
        return new Sequence(row, prompt, completion, targets);
    }
}
