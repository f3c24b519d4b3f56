package org.dpo4j.io;

import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.decoder.Dequantize4bit;
import org.dpo4j.kernels.decoder.QuantType;
import org.dpo4j.kernels.decoder.Quantize4bit;
import org.jspecify.annotations.Nullable;

/**
 * A matrix that bitsandbytes has quantised to 4 bits: several tensors of a file, whose names begin with the matrix's.
 *
 * @param name of the matrix
 * @param shape rows and columns
 * @param dtype storage of the matrix that was quantised: its values are rounded to it
 * @param codes two codes a byte, row by row without padding
 * @param absmax f32, one for each 64 elements; or u8, if {@code nested} is not null
 */
public record FourBitTensor(
        String name,
        QuantType type,
        List<Long> shape,
        DType dtype,
        StoredTensor codes,
        StoredTensor absmax,
        @Nullable Nested nested) {

    /**
     * How an absmax value follows from its code: {@code map[code] * factor + offset}.
     *
     * @param map 256 numbers
     * @param factors one for each 256 absmax values
     */
    @SuppressWarnings("ArrayRecordComponent") // nobody compares these
    public record Nested(float[] map, float[] factors, float offset) {}

    private static final Pattern STATE = Pattern.compile("(.+)\\.quant_state\\.bitsandbytes__(nf4|fp4)");
    private static final int MAX_STATE_BYTES = 4096;

    /** Number of elements. */
    public long count() {
        return shape.get(0) * shape.get(1);
    }

    /**
     * Takes the parts of all quantised matrices out of {@code tensors}, and returns the matrices by name. Throws, naming
     * the tensor, if a part is missing or damaged, or parts do not belong together.
     */
    public static Map<String, FourBitTensor> takeAll(Map<String, StoredTensor> tensors) {
        Map<String, FourBitTensor> matrices = new TreeMap<>();
        for (Map.Entry<String, StoredTensor> each : new TreeMap<>(tensors).entrySet()) {
            Matcher state = STATE.matcher(each.getKey());
            if (state.matches()) {
                tensors.remove(each.getKey());
                FourBitTensor matrix = new Parts(tensors, state.group(1)).read(each.getValue(), state.group(2));
                if (matrices.put(matrix.name, matrix) != null) {
                    throw matrix.codes.refused("has a state of nf4 and one of fp4");
                }
            }
        }
        return matrices;
    }

    /** The parts of one matrix. */
    private record Parts(Map<String, StoredTensor> tensors, String matrix) {

        FourBitTensor read(StoredTensor stored, String type) {
            FourBitState state = state(stored, type);
            StoredTensor codes = take(matrix, stored);
            checkCodes(codes, state);
            checkMap(take(matrix + ".quant_map", stored), state.type());
            StoredTensor absmax = take(matrix + ".absmax", stored);
            expect(absmax, state.isNested() ? "U8" : "F32", state.blocks());
            @Nullable Nested nested = state.isNested() ? nested(state, stored) : null;
            List<Long> shape = List.of(state.rows(), state.columns());
            return new FourBitTensor(matrix, state.type(), shape, state.dtype(), codes, absmax, nested);
        }

        private static FourBitState state(StoredTensor stored, String type) {
            if (!stored.entry().dtype().equals("U8") || stored.bytes() > MAX_STATE_BYTES) {
                throw stored.refused("is no JSON of at most " + MAX_STATE_BYTES + " bytes");
            }
            try {
                FourBitState state = FourBitState.read(JsonFile.parse(stored.content()));
                if (!state.type().name().equalsIgnoreCase(type)) {
                    throw new Dpo4jException("has quant_type " + state.type());
                }
                return state;
            } catch (Dpo4jException e) {
                throw stored.refused(String.valueOf(e.getMessage()));
            }
        }

        private StoredTensor take(String part, StoredTensor state) {
            StoredTensor found = tensors.remove(part);
            if (found == null) {
                throw state.refused("belongs to " + part + ", which is missing");
            }
            return found;
        }

        /** The storage of codes is a matter of taste: {@code bnb_4bit_quant_storage}. */
        private static void checkCodes(StoredTensor codes, FourBitState state) {
            long expected = Quantize4bit.codeBytes(state.count());
            if (codes.bytes() != expected) {
                throw codes.refused("has " + codes.bytes() + " bytes instead of the " + expected
                        + " of 4-bit codes of [" + state.rows() + ", " + state.columns() + "]");
            }
        }

        /** bitsandbytes does not read this map, its code contains it. */
        private static void checkMap(StoredTensor map, QuantType type) {
            expect(map, "F32", type.map().length);
            float[] numbers = map.finiteFloats();
            for (int code = 0; code < numbers.length; code++) {
                if (numbers[code] != type.map()[code]) {
                    throw map.refused(
                            "is " + numbers[code] + " at [" + code + "], where " + type + " has " + type.map()[code]);
                }
            }
        }

        private Nested nested(FourBitState state, StoredTensor stored) {
            StoredTensor map = take(matrix + ".nested_quant_map", stored);
            expect(map, "F32", Dequantize4bit.NESTED_CODES);
            StoredTensor factors = take(matrix + ".nested_absmax", stored);
            int step = Quantize4bit.NESTED_BLOCK;
            expect(factors, "F32", (state.blocks() + step - 1) / step);
            return new Nested(map.finiteFloats(), factors.finiteFloats(), state.offset());
        }

        private static void expect(StoredTensor tensor, String dtype, long count) {
            if (!tensor.entry().dtype().equals(dtype) || !tensor.entry().shape().equals(List.of(count))) {
                throw tensor.refused("is " + tensor.entry().dtype()
                        + tensor.entry().shape() + " instead of " + dtype + "[" + count + "]");
            }
        }
    }
}
