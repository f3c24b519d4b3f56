package org.dpo4j.kernels.internal;

import java.nio.ByteBuffer;
import org.dpo4j.kernels.Dpo4jException;

/** Rules for the host side of uploads and downloads. */
final class DirectBuffers {
    private DirectBuffers() {}

    /**
     * The remaining bytes as a buffer whose base address is the first of them: the presets and bindings ignore
     * positions.
     */
    static ByteBuffer remaining(String operation, ByteBuffer buffer) {
        if (!buffer.isDirect()) {
            throw new Dpo4jException(
                    operation + ": the buffer lies on the Java heap, where its address may change: allocate it direct");
        }
        return buffer.slice();
    }
}
