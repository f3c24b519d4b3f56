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
 * The arguments of one call by the header's names, and bad values of each. The call is accepted with all good ones; with any one bad value it is
 * refused by a text that names the operation and that argument, and nothing is written.
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
         * Address of a params struct that holds these arguments. {@code fields} lists its fields in C's order. A sign before a name says the
         * type: {@code *} an address, {@code #} an int32, {@code %} a float, none an int64. A left brace before a name opens a struct in the
         * struct, a right brace closes it.
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

    /** Address of a tensor: neither null nor less than 16-byte aligned. */
    Refusals address(String name, Tensor tensor) {
        return size(name, tensor.address(), 0, tensor.address() + 4);
    }

    /** Address of a tensor, or null. */
    Refusals addressOrNull(String name, Tensor tensor) {
        return size(name, tensor.address(), tensor.address() + 8);
    }

    /** Address of an index array, or of one f32 a row: 4-byte aligned. */
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

    /** The storage type of what is no logits: F16 is refused, and BF16 where the device lacks it. */
    Refusals dtype(String name, On on) {
        good.put(name, (long) on.dtype().ordinal());
        bad.add(new Bad(name, DType.F16.ordinal()));
        if (!on.device().supports(DType.BF16)) {
            bad.add(new Bad(name, DType.BF16.ordinal()));
        }
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
