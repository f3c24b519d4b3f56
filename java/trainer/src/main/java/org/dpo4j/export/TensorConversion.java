package org.dpo4j.export;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.channels.WritableByteChannel;
import java.util.List;
import java.util.Locale;
import org.dpo4j.io.FloatFormats;
import org.dpo4j.io.gguf.GgufTensor;
import org.dpo4j.io.gguf.GgufType;
import org.dpo4j.io.gguf.Q8Blocks;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.StoredWeights;

/**
 * Writes a tensor of a model's files as a tensor of GGUF, some rows at a time.
 *
 * @param source the tensor of the files
 * @param target the tensor of the result
 * @param headRows rows of a head whose halves are interleaved: row i of the first half, then row i of the second; 0 if
 *     rows keep their order
 * @param added number that is added to each element
 */
record TensorConversion(StoredWeights.Tensor source, GgufTensor target, int headRows, float added) {
    /** Elements that are converted at a time, unless a row or a head has more. */
    private static final int ELEMENTS = 1 << 20;

    void write(StoredWeights weights, WritableByteChannel channel) throws IOException {
        List<Long> shape = source.shape();
        int columns = shape.size() == 1 ? 1 : Math.toIntExact(shape.get(1));
        int together = headRows == 0 ? 1 : headRows;
        long wanted = Math.min(Math.max(1, ELEMENTS / ((long) together * columns)) * together, shape.get(0));
        Buffers buffers = new Buffers(Math.multiplyExact(Math.toIntExact(wanted), columns));
        long rowBytes = (long) columns * FloatFormats.bytes(source.dtype());
        for (long row = 0; row < shape.get(0); row += wanted) {
            int rows = (int) Math.min(wanted, shape.get(0) - row);
            ByteBuffer stored = buffers.stored.clear().limit((int) (rows * rowBytes));
            weights.read(source, row * rowBytes, stored);
            check(stored.flip(), row, columns);
            ByteBuffer ordered = headRows == 0 ? stored : interleaved(stored, buffers, (int) rowBytes);
            drain(converted(ordered, buffers), channel);
        }
    }

    /** Throws if one of these rows has a number that is not finite. */
    private void check(ByteBuffer stored, long row, int columns) {
        int found = FloatFormats.firstNotFinite(stored, source.dtype());
        if (found >= 0) {
            throw new Dpo4jException("tensor " + source.name() + " is NaN or infinite at ["
                    + (row + found / columns) + (source.shape().size() == 1 ? "" : ", " + found % columns)
                    + "]; download the model again, or train it again with a lower learning_rate");
        }
    }

    /** Memory of the conversion of some elements. */
    private final class Buffers {
        private final ByteBuffer stored;
        private final ByteBuffer ordered;
        private final ByteBuffer floats;
        private final ByteBuffer result;

        Buffers(int elements) {
            stored = direct((long) elements * FloatFormats.bytes(source.dtype()));
            ordered = direct(headRows == 0 ? 0 : stored.capacity());
            floats = direct(isByFloats() ? (long) elements * Float.BYTES : 0);
            result = direct(target.type().bytes(elements));
        }

        private static ByteBuffer direct(long bytes) {
            return ByteBuffer.allocateDirect(Math.toIntExact(bytes)).order(ByteOrder.LITTLE_ENDIAN);
        }
    }

    private boolean isByFloats() {
        return added != 0 || target.type() == GgufType.Q8_0;
    }

    private ByteBuffer interleaved(ByteBuffer stored, Buffers buffers, int rowBytes) {
        ByteBuffer ordered = buffers.ordered.clear();
        int half = headRows / 2;
        for (int head = 0; head < stored.limit() / rowBytes; head += headRows) {
            for (int row = 0; row < headRows; row++) {
                int from = head + row % 2 * half + row / 2;
                ordered.put((head + row) * rowBytes, stored, from * rowBytes, rowBytes);
            }
        }
        return ordered.limit(stored.limit());
    }

    private ByteBuffer converted(ByteBuffer stored, Buffers buffers) {
        ByteBuffer result = buffers.result.clear();
        try {
            if (!isByFloats()) {
                FloatFormats.convert(
                        stored, source.dtype(), result, target.type().name());
                return result.flip();
            }
            ByteBuffer floats = buffers.floats.clear();
            FloatFormats.convert(stored, source.dtype(), floats, "F32");
            FloatBuffer numbers = floats.flip().asFloatBuffer();
            for (int i = 0; i < numbers.limit(); i++) {
                numbers.put(i, numbers.get(i) + added);
            }
            if (target.type() == GgufType.Q8_0) {
                Q8Blocks.convert(numbers, result);
            } else {
                FloatFormats.convert(floats, "F32", result, target.type().name());
            }
            return result.flip();
        } catch (Dpo4jException e) {
            throw new Dpo4jException(
                    "tensor " + source.name() + " holds a number that "
                            + target.type().name().toLowerCase(Locale.ROOT)
                            + " cannot store (" + reason(e) + "); choose --dtype bf16 or f32",
                    e);
        }
    }

    private static String reason(Dpo4jException e) {
        return String.valueOf(e.getMessage()).replaceFirst(";.*", "");
    }

    private static void drain(ByteBuffer bytes, WritableByteChannel channel) throws IOException {
        while (bytes.hasRemaining()) {
            channel.write(bytes);
        }
    }
}
