package org.dpo4j.kernels.internal;

import java.nio.ByteBuffer;
import org.dpo4j.kernels.Dpo4jException;

/** Checks the host buffers of uploads and downloads. */
final class DirectBuffers {
    private DirectBuffers() {}

    /**
     * Returns the remaining bytes as a buffer that begins at the first of them, because the bindings ignore positions.
     */
    static ByteBuffer remaining(String operation, ByteBuffer buffer) {
        if (!buffer.isDirect()) {
            throw new Dpo4jException(
                    operation + ": the buffer is on the Java heap, so its address can change: use a direct buffer");
        }
        return buffer.slice();
    }
}
