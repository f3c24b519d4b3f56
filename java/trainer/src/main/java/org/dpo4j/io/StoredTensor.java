package org.dpo4j.io;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.dpo4j.kernels.Dpo4jException;

/** A tensor of an open safetensors file. */
public record StoredTensor(SafeTensors file, SafeTensorsHeader.Entry entry) {

    /** Number of bytes. */
    public long bytes() {
        return entry.end() - entry.begin();
    }

    /** Fills {@code destination} with bytes from {@code offset} on. */
    public void read(long offset, ByteBuffer destination) {
        file.read(entry, offset, destination);
    }

    /** All bytes of a small tensor. */
    byte[] content() {
        byte[] content = new byte[Math.toIntExact(bytes())];
        read(0, ByteBuffer.wrap(content));
        return content;
    }

    /** All elements of a small tensor of float32 numbers. Throws if one is not finite. */
    float[] finiteFloats() {
        ByteBuffer content = ByteBuffer.wrap(content()).order(ByteOrder.LITTLE_ENDIAN);
        float[] floats = new float[content.remaining() / Float.BYTES];
        content.asFloatBuffer().get(floats);
        for (int i = 0; i < floats.length; i++) {
            if (!Float.isFinite(floats[i])) {
                throw refused("is " + floats[i] + " at [" + i + "]");
            }
        }
        return floats;
    }

    /** The error for a tensor that is not as it must be. */
    Dpo4jException refused(String fault) {
        return new Dpo4jException(file.file() + ": tensor " + entry.name() + " " + fault
                + "; download the checkpoint again, or quantise the model again");
    }
}
