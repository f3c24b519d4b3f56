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
    public int[] numbers(Sequence sequence) {
        return sequence.outline().numbers();
    }

    @Override
    public int numberCount() {
        return Sequence.Outline.NUMBERS;
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
    public Sequence read(ByteBuffer from, int[] numbers) {
        Sequence.Outline outline = Sequence.Outline.read(numbers);
        int row = from.getInt();
        int[] prompt = RowCodec.getIds(from, outline.prompt());
        int[] completion = RowCodec.getIds(from, outline.completion());
        boolean[] targets = outline.targets() < outline.completion() ? new boolean[completion.length] : null;
        for (int i = 0; targets != null && i < targets.length; i++) {
            targets[i] = from.get() != 0;
        }
        return new Sequence(row, prompt, completion, targets);
    }
}
