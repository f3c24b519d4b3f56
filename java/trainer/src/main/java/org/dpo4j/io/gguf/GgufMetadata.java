package org.dpo4j.io.gguf;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Consumer;

/** Keys and values at the start of a GGUF file, in the order in which they were first put. A later value replaces an earlier one. */
public final class GgufMetadata {
    // Numbers of the types of values.
    private static final int UINT32 = 4;
    private static final int INT32 = 5;
    private static final int FLOAT32 = 6;
    private static final int BOOL = 7;
    private static final int STRING = 8;
    private static final int ARRAY = 9;

    private final Map<String, byte[]> values = new LinkedHashMap<>();

    /** Puts a whole number from 0 to 2^32 - 1. */
    public void putInteger(String key, long value) {
        if (value < 0 || value > 0xffffffffL) {
            throw new IllegalArgumentException(key + " is " + value);
        }
        put(key, UINT32, bytes -> bytes.putInt((int) value));
    }

    /** Puts a number, which is rounded to float32. */
    public void putNumber(String key, double value) {
        put(key, FLOAT32, bytes -> bytes.putFloat((float) value));
    }

    /** Puts a whole number that may be negative. */
    public void putSigned(String key, int value) {
        put(key, INT32, bytes -> bytes.putInt(value));
    }

    /** Puts a truth value. */
    public void putFlag(String key, boolean value) {
        put(key, BOOL, bytes -> bytes.put((byte) (value ? 1 : 0)));
    }

    /** Puts a text. */
    public void putText(String key, String value) {
        put(key, STRING, bytes -> bytes.putText(value));
    }

    /** Puts a list of texts. */
    public void putTexts(String key, Collection<String> values) {
        putArray(key, STRING, values.size(), bytes -> values.forEach(bytes::putText));
    }

    /** Puts a list of signed whole numbers. */
    public void putIntegers(String key, int[] values) {
        putArray(key, INT32, values.length, bytes -> {
            for (int value : values) {
                bytes.putInt(value);
            }
        });
    }

    /** Puts a list of float32 numbers. */
    public void putNumbers(String key, float[] values) {
        putArray(key, FLOAT32, values.length, bytes -> {
            for (float value : values) {
                bytes.putFloat(value);
            }
        });
    }

    private void putArray(String key, int type, int count, Consumer<GgufBytes> elements) {
        put(key, ARRAY, bytes -> {
            bytes.putInt(type);
            bytes.putLong(count);
            elements.accept(bytes);
        });
    }

    private void put(String key, int type, Consumer<GgufBytes> value) {
        GgufBytes bytes = new GgufBytes();
        bytes.putText(key);
        bytes.putInt(type);
        value.accept(bytes);
        values.put(key, bytes.toByteArray());
    }

    /** Number of keys. */
    int size() {
        return values.size();
    }

    /** All keys and values as they are in a file. */
    ByteBuffer bytes() {
        int total = values.values().stream().mapToInt(value -> value.length).reduce(0, Math::addExact);
        ByteBuffer all = ByteBuffer.allocate(total).order(ByteOrder.LITTLE_ENDIAN);
        values.values().forEach(all::put);
        return all.flip();
    }
}
