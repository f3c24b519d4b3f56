package org.dpo4j.io.gguf;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/** Bytes of a GGUF file in the making: little-endian numbers, and texts as their length and UTF-8. */
final class GgufBytes {
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

    void put(byte value) {
        bytes.write(value);
    }

    void putInt(int value) {
        bytes.writeBytes(number(Integer.BYTES).putInt(value).array());
    }

    void putLong(long value) {
        bytes.writeBytes(number(Long.BYTES).putLong(value).array());
    }

    void putFloat(float value) {
        putInt(Float.floatToRawIntBits(value));
    }

    void putText(String text) {
        byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
        putLong(utf8.length);
        bytes.writeBytes(utf8);
    }

    private static ByteBuffer number(int size) {
        return ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
    }

    byte[] toByteArray() {
        return bytes.toByteArray();
    }
}
