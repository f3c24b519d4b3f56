package org.dpo4j.data;

import java.nio.ByteBuffer;
import org.dpo4j.io.Sha256;

/**
 * 128 bits of a row's token ids, by SHA-256. Rows with the same ids have the same fingerprint; of a million other rows,
 * two have the same with a probability of 1e-27.
 *
 * @param high the first 64 bits
 * @param low the other 64 bits
 * @param oppositeHigh the first 64 bits of the row that says the opposite: chosen and rejected exchanged
 * @param oppositeLow its other 64 bits
 * @param hasOpposite whether any row can say the opposite
 */
record Fingerprint(long high, long low, long oppositeHigh, long oppositeLow, boolean hasOpposite) {

    private record Half(long high, long low) {}

    static Fingerprint pair(PreferencePair pair) {
        Half chosen = half(pair.prompt(), pair.chosen());
        Half rejected = half(pair.rejectedPrompt(), pair.rejected());
        return new Fingerprint(
                chosen.high + 3 * rejected.high,
                chosen.low + 3 * rejected.low,
                rejected.high + 3 * chosen.high,
                rejected.low + 3 * chosen.low,
                true);
    }

    /** Nothing says the opposite of a sequence. */
    static Fingerprint sequence(Sequence sequence) {
        Half half = half(sequence.prompt(), sequence.completion());
        return new Fingerprint(half.high, half.low, half.high, half.low, false);
    }

    /** The opposite of a completion that is judged good is the same one, judged bad. */
    static Fingerprint judged(int[] prompt, int[] completion, boolean label) {
        Half half = half(prompt, completion);
        return label
                ? new Fingerprint(half.high, half.low, ~half.high, ~half.low, true)
                : new Fingerprint(~half.high, ~half.low, half.high, half.low, true);
    }

    /** Whether the row says the opposite of itself: chosen is rejected. */
    boolean isOwnOpposite() {
        return hasOpposite && high == oppositeHigh && low == oppositeLow;
    }

    private static Half half(int[] prompt, int[] completion) {
        ByteBuffer bytes = ByteBuffer.allocate(4 * (1 + prompt.length + completion.length));
        bytes.asIntBuffer().put(prompt.length).put(prompt).put(completion);
        ByteBuffer digest = ByteBuffer.wrap(Sha256.digest().digest(bytes.array()));
        return new Half(digest.getLong(), digest.getLong());
    }
}
