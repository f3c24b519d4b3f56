package org.dpo4j.train.reference;

import java.nio.ByteBuffer;
import java.security.MessageDigest;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.io.Sha256;

/**
 * 128 bits of SHA-256 of all that the log-probs of a packed row depend on: its tokens, which of them attend to which, the
 * targets and the completions. Of a million other rows, two have the same with a probability of 1e-27.
 *
 * @param high the first 64 bits
 * @param low the other 64 bits
 */
public record RowHash(long high, long low) {

    /** The hash of a batch that has one row. */
    public static RowHash find(PackedBatch row) {
        int[][] parts = {row.ids(), row.hiddenRows(), row.targets(), row.offsets()};
        int words = 0;
        for (int[] part : parts) {
            words += 1 + part.length;
        }
        ByteBuffer bytes = ByteBuffer.allocate(Integer.BYTES * words);
        for (int[] part : parts) {
            bytes.putInt(part.length).asIntBuffer().put(part);
            bytes.position(bytes.position() + Integer.BYTES * part.length);
        }
        MessageDigest digest = Sha256.digest();
        digest.update(bytes.flip());
        ByteBuffer hash = ByteBuffer.wrap(digest.digest());
        return new RowHash(hash.getLong(), hash.getLong());
    }
}
