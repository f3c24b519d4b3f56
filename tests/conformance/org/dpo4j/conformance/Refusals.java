package org.dpo4j.conformance;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.decoder.MatrixShape;
import org.dpo4j.kernels.internal.StructWriter;

/**
 * The arguments of one call, by their names in dpo4j.h, and bad values of each. The call is accepted with all good
 * values. With one bad value it is refused with a text that names the operation and the argument, and nothing is
 * written.
 */
final class Refusals {
    /** The call, with arguments looked up by name. */
    @FunctionalInterface
    interface Call {
        void with(Device device, Arguments arguments);
    }

    /** Values by argument name. */
    record Arguments(Map<String, Long> values) {
        long get(String name) {
            Long value = values.get(name);
            if (value == null) {
                throw new IllegalArgumentException("no argument " + name);
            }
            return value;
        }

        float number(String name) {
            return Float.intBitsToFloat((int) get(name));
        }

        DType dtype(String name) {
            return DType.values()[Math.toIntExact(get(name))];
        }

        /**
         * The address of a params struct with these arguments. {@code fields} lists its fields in C's order. A sign
         * before a name is its type: {@code *} for an address, {@code #} for an int32, {@code %} for a float, none for
         * an int64. A left brace before a name opens a nested struct, and a right brace closes it.
         */
        long struct(String name, String fields) {
            StructWriter params = StructWriter.begin(name);
            for (String field : fields.split(" ", -1)) {
                String argument = field.substring(1);
                switch (field.charAt(0)) {
                    case '*' -> params.address(argument, get(argument));
                    case '#' -> params.int32(argument, (int) get(argument));
                    case '%' -> params.float32(argument, number(argument));
                    case '{' -> params.open(argument, Long.BYTES);
                    case '}' -> params.close();
                    default -> params.int64(field, get(field));
                }
            }
            return params.end();
        }

        MatrixShape matrix() {
            return new MatrixShape(get("rows"), get("width"), dtype("dtype"));
        }
    }

    private record Bad(String name, long value) {}

    private final Tensors tensors;
    private final String operation;
    private final Map<String, Long> good = new LinkedHashMap<>();
    private final List<Bad> bad = new ArrayList<>();

    Refusals(Tensors tensors, String operation) {
        this.tensors = tensors;
        this.operation = operation;
    }

    /** The address of a tensor. Bad values are null and addresses that are not 16-byte aligned. */
    Refusals address(String name, Tensor tensor) {
        return size(name, tensor.address(), 0, tensor.address() + 4);
    }

    /** The address of a tensor, which may be null. */
    Refusals addressOrNull(String name, Tensor tensor) {
        return size(name, tensor.address(), tensor.address() + 8);
    }

    /** The address of an array of indices, or of one f32 per row, which is 4-byte aligned. */
    Refusals indices(String name, Tensor tensor) {
        return size(name, tensor.address(), 0, tensor.address() + 2);
    }

    /** The same, or null. */
    Refusals indicesOrNull(String name, Tensor tensor) {
        return size(name, tensor.address(), tensor.address() + 2);
    }

    Refusals size(String name, long goodValue, long... badValues) {
        good.put(name, goodValue);
        for (long value : badValues) {
            bad.add(new Bad(name, value));
        }
        return this;
    }

    Refusals number(String name, float goodValue, float... badValues) {
        good.put(name, (long) Float.floatToRawIntBits(goodValue));
        for (float value : badValues) {
            bad.add(new Bad(name, Float.floatToRawIntBits(value)));
        }
        return this;
    }

    /**
     * The storage type of a tensor other than logits. F16 is refused.
     */
    Refusals dtype(String name, On on) {
        good.put(name, (long) on.dtype().ordinal());
        bad.add(new Bad(name, DType.F16.ordinal()));
        return this;
    }

    /** Rows, width and storage type of a matrix: the arguments of {@link Arguments#matrix}. */
    Refusals matrix(int rows, int width, On on) {
        return size("rows", rows, -1).size("width", width, 0, -1, -8).dtype("dtype", on);
    }

    void check(Call call) {
        tensors.run(device -> call.with(device, new Arguments(good)));
        for (Bad one : bad) {
            Map<String, Long> values = new LinkedHashMap<>(good);
            values.put(one.name(), one.value());
            tensors.refused(operation, one.name(), device -> call.with(device, new Arguments(values)));
        }
    }
}
