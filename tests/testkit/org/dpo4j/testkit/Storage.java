package org.dpo4j.testkit;

import java.nio.ByteBuffer;
import org.dpo4j.kernels.DType;

/** How an element of a tensor is stored. Every value of every type is a double. */
public enum Storage {
    F32(4),
    BF16(2),
    F16(2),
    I32(4),
    F64(8),
    BYTE(1);

    public final int bytes;

    Storage(int bytes) {
        this.bytes = bytes;
    }

    public static Storage of(DType dtype) {
        return switch (dtype) {
            case F32 -> F32;
            case BF16 -> BF16;
            case F16 -> F16;
        };
    }

    public double read(ByteBuffer buffer, int at) {
        return switch (this) {
            case F32 -> buffer.getFloat(at);
            case BF16 -> Bfloat16.value(buffer.getShort(at));
            case F16 -> Binary16.value(buffer.getShort(at));
            case I32 -> buffer.getInt(at);
            case F64 -> buffer.getDouble(at);
            case BYTE -> buffer.get(at);
        };
    }

    /** Reads elements that follow each other. Large tensors are read so: an access to the buffer for each element is slow. */
    public void read(ByteBuffer buffer, int at, double[] values, int first, int count) {
        ByteBuffer elements = buffer.slice(at, count * bytes).order(buffer.order());
        switch (this) {
            case F32 -> {
                float[] stored = new float[count];
                elements.asFloatBuffer().get(stored);
                for (int i = 0; i < count; i++) {
                    values[first + i] = stored[i];
                }
            }
            case BF16, F16 -> {
                short[] stored = new short[count];
                elements.asShortBuffer().get(stored);
                for (int i = 0; i < count; i++) {
                    values[first + i] = this == BF16 ? Bfloat16.value(stored[i]) : Binary16.value(stored[i]);
                }
            }
            default -> {
                for (int i = 0; i < count; i++) {
                    values[first + i] = read(elements, i * bytes);
                }
            }
        }
    }

    /** Writes elements that follow each other, as the method for one does. */
    public void write(ByteBuffer buffer, int at, double[] values, int first, int count) {
        ByteBuffer elements = buffer.slice(at, count * bytes).order(buffer.order());
        switch (this) {
            case F32 -> {
                float[] stored = new float[count];
                for (int i = 0; i < count; i++) {
                    stored[i] = (float) values[first + i];
                }
                elements.asFloatBuffer().put(stored);
            }
            case BF16, F16 -> {
                short[] stored = new short[count];
                for (int i = 0; i < count; i++) {
                    float value = (float) values[first + i];
                    stored[i] = this == BF16 ? Bfloat16.bits(value) : Binary16.bits(value);
                }
                elements.asShortBuffer().put(stored);
            }
            default -> {
                for (int i = 0; i < count; i++) {
                    write(elements, i * bytes, values[first + i]);
                }
            }
        }
    }

    /** The bits of elements that follow each other. */
    public void bits(ByteBuffer buffer, int at, long[] bits, int first, int count) {
        ByteBuffer elements = buffer.slice(at, count * bytes).order(buffer.order());
        switch (bytes) {
            case 2 -> {
                short[] stored = new short[count];
                elements.asShortBuffer().get(stored);
                for (int i = 0; i < count; i++) {
                    bits[first + i] = stored[i];
                }
            }
            case 4 -> {
                int[] stored = new int[count];
                elements.asIntBuffer().get(stored);
                for (int i = 0; i < count; i++) {
                    bits[first + i] = stored[i];
                }
            }
            default -> {
                for (int i = 0; i < count; i++) {
                    bits[first + i] = bits(elements, i * bytes);
                }
            }
        }
    }

    /** Writes a value, rounded to nearest even. */
    public void write(ByteBuffer buffer, int at, double value) {
        switch (this) {
            case F32 -> buffer.putFloat(at, (float) value);
            case BF16 -> buffer.putShort(at, Bfloat16.bits((float) value));
            case F16 -> buffer.putShort(at, Binary16.bits((float) value));
            case I32 -> buffer.putInt(at, (int) value);
            case F64 -> buffer.putDouble(at, value);
            case BYTE -> buffer.put(at, (byte) value);
        }
    }

    public long bits(ByteBuffer buffer, int at) {
        return switch (bytes) {
            case 1 -> buffer.get(at);
            case 2 -> buffer.getShort(at);
            case 4 -> buffer.getInt(at);
            default -> buffer.getLong(at);
        };
    }
}
