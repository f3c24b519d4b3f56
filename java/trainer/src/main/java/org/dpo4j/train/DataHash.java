package org.dpo4j.train;

import java.nio.ByteBuffer;
import java.security.MessageDigest;
import org.dpo4j.io.Sha256;
import org.dpo4j.train.reference.RowHash;

/** SHA-256 of rows: of their tokens, targets and completions. A run is resumed only with the rows that it began with. */
final class DataHash {
    private final MessageDigest digest = Sha256.digest();

    /** Adds a row by the hash of its tokens, and what it has beside them. */
    void add(RowHash row, int[] annotations) {
        ByteBuffer bytes = ByteBuffer.allocate(2 * Long.BYTES + Integer.BYTES * (1 + annotations.length));
        bytes.putLong(row.high()).putLong(row.low()).putInt(annotations.length);
        for (int value : annotations) {
            bytes.putInt(value);
        }
        digest.update(bytes.flip());
    }

    String hex() {
        return Sha256.hex(digest);
    }
}
