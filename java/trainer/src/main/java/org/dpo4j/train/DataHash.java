package org.dpo4j.train;

import java.nio.ByteBuffer;
import java.security.MessageDigest;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.io.Sha256;

/** SHA-256 of rows: of their tokens, targets and completions. A run is resumed only with the rows that it began with. */
final class DataHash {
    private final MessageDigest digest = Sha256.digest();

    /** Adds a packed row, and what it has beside its tokens. */
    void add(PackedBatch row, int[] annotations) {
        add(row.ids());
        add(row.hiddenRows());
        add(row.targets());
        add(row.offsets());
        if (annotations.length > 0) {
            add(annotations);
        }
    }

    private void add(int[] values) {
        ByteBuffer bytes =
                ByteBuffer.allocate(Integer.BYTES * (values.length + 1)).putInt(values.length);
        for (int value : values) {
            bytes.putInt(value);
        }
        digest.update(bytes.flip());
    }

    String hex() {
        return Sha256.hex(digest);
    }
}
