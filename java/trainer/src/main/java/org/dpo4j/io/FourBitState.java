package org.dpo4j.io;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.decoder.QuantType;
import org.dpo4j.kernels.decoder.Quantize4bit;

/**
 * What bitsandbytes stores about a quantised tensor as JSON, in {@code NAME.quant_state.bitsandbytes__nf4}.
 *
 * @param dtype storage of the tensor that was quantised
 * @param isNested whether absmax values are stored in 8 bits
 * @param offset added to each absmax value if they are; else 0
 */
record FourBitState(QuantType type, DType dtype, long rows, long columns, boolean isNested, float offset) {
    private static final Map<String, DType> DTYPES =
            Map.of("float32", DType.F32, "bfloat16", DType.BF16, "float16", DType.F16);
    private static final Set<String> KEYS = Set.of("quant_type", "blocksize", "dtype", "shape");
    private static final Set<String> NESTED_KEYS = Set.of("nested_blocksize", "nested_dtype", "nested_offset");
    /** Of each dimension: elements are counted in 63 bits. */
    private static final long MAX_SIZE = Integer.MAX_VALUE;

    /** Throws with a text that begins with the fault. */
    static FourBitState read(ObjectNode json) {
        Set<String> keys = new TreeSet<>();
        json.fieldNames().forEachRemaining(keys::add);
        boolean isNested = NESTED_KEYS.stream().anyMatch(keys::contains);
        Set<String> expected = Stream.concat(KEYS.stream(), isNested ? NESTED_KEYS.stream() : Stream.empty())
                .collect(Collectors.toCollection(TreeSet::new));
        check(keys.equals(expected), "has the keys " + keys + " instead of " + expected);
        size(json, "blocksize", Quantize4bit.BLOCK);
        if (isNested) {
            size(json, "nested_blocksize", Quantize4bit.NESTED_BLOCK);
            check(text(json, "nested_dtype").equals("float32"), "has nested_dtype " + json.get("nested_dtype"));
        }
        List<Long> shape = shape(json.get("shape"));
        return new FourBitState(
                type(text(json, "quant_type")),
                dtype(text(json, "dtype")),
                shape.get(0),
                shape.get(1),
                isNested,
                isNested ? offset(json.get("nested_offset")) : 0);
    }

    private static String text(ObjectNode json, String key) {
        check(json.get(key).isTextual(), "has " + key + " " + json.get(key) + ", which is no text");
        return json.get(key).textValue();
    }

    private static void size(ObjectNode json, String key, int supported) {
        JsonNode value = json.get(key);
        check(
                value.isInt() && value.intValue() == supported,
                "has " + key + " " + value + "; only " + supported + " is supported");
    }

    private static QuantType type(String name) {
        check(
                name.equals("nf4") || name.equals("fp4"),
                "has quant_type \"" + name + "\"; only nf4 and fp4 are supported");
        return QuantType.valueOf(name.toUpperCase(Locale.ROOT));
    }

    private static DType dtype(String name) {
        DType dtype = DTYPES.get(name);
        if (dtype == null) {
            throw new Dpo4jException("has dtype \"" + name + "\"; float32, bfloat16 or float16 is expected");
        }
        return dtype;
    }

    private static List<Long> shape(JsonNode shape) {
        check(shape.isArray() && shape.size() == 2, "has shape " + shape + "; that of a matrix is expected");
        for (JsonNode size : shape) {
            check(
                    size.isIntegralNumber()
                            && size.canConvertToLong()
                            && size.longValue() > 0
                            && size.longValue() <= MAX_SIZE,
                    "has shape " + shape + "; two sizes from 1 to 2^31-1 are expected");
        }
        return List.of(shape.get(0).longValue(), shape.get(1).longValue());
    }

    private static float offset(JsonNode value) {
        check(
                value.isNumber() && Float.isFinite((float) value.doubleValue()),
                "has nested_offset " + value + "; a finite number is expected");
        return (float) value.doubleValue();
    }

    private static void check(boolean holds, String fault) {
        if (!holds) {
            throw new Dpo4jException(fault);
        }
    }

    /** Number of elements. */
    long count() {
        return rows * columns;
    }

    /** Number of absmax values. */
    long blocks() {
        return Quantize4bit.blocks(count());
    }
}
