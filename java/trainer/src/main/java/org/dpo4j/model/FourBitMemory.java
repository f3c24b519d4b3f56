package org.dpo4j.model;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.decoder.Dequantize4bit;
import org.dpo4j.kernels.decoder.Quantize4bit;
import org.dpo4j.model.Placement.RowRange;

/**
 * Where the 4-bit matrices of a model are in one buffer of the device, in bytes from its beginning. Codes are in the order
 * of files, without padding, as bitsandbytes quantises them. A workspace takes one decoded matrix, with padding.
 */
final class FourBitMemory {
    private static final int ALIGNMENT = 256;

    /**
     * The parts of a tensor.
     *
     * @param absmax f32, or u8 if {@code isNested}
     * @param factors 0 unless {@code isNested}, as {@code map}
     */
    record Place(ParameterTensor tensor, boolean isNested, long codes, long absmax, long factors, long map) {}

    /**
     * Which row of a tensor each row of a parameter holds, from the tensor's first row to the padding behind its last.
     *
     * @param first row of the parameter in memory
     * @param inRows rows of the tensor; -1 for padding
     */
    @SuppressWarnings("ArrayRecordComponent") // nobody compares these
    record RowOrder(int first, int[] inRows) {

        static RowOrder find(Placement placement) {
            int first = Integer.MAX_VALUE;
            int end = 0;
            for (RowRange range : placement.rows()) {
                Axis axis = range.rows();
                int last = range.begin() + range.count();
                first = Math.min(first, axis.at(range.begin()));
                end = Math.max(
                        end, last % axis.width() == 0 ? last / axis.width() * axis.paddedWidth() : axis.at(last));
            }
            int[] inRows = new int[end - first];
            Arrays.fill(inRows, -1);
            int row = 0;
            for (RowRange range : placement.rows()) {
                for (int i = 0; i < range.count(); i++) {
                    inRows[range.rows().at(range.begin() + i) - first] = row++;
                }
            }
            return new RowOrder(first, inRows);
        }

        /** Whether the rows are those of the tensor, in its order. */
        boolean isPlain() {
            for (int i = 0; i < inRows.length; i++) {
                if (inRows[i] != i) {
                    return false;
                }
            }
            return true;
        }
    }

    private final Map<Parameter, List<Place>> places = new LinkedHashMap<>();
    private final Map<List<RowRange>, Long> orders = new LinkedHashMap<>();
    private final long workspace;
    private long next;

    /** For the matrices that {@code layout} has in 4 bits. */
    FourBitMemory(ParameterLayout layout, DType dtype, Predicate<ParameterTensor> isNested) {
        layout.fourBit().forEach((parameter, tensors) -> {
            List<Place> placed = new ArrayList<>();
            for (ParameterTensor tensor : tensors) {
                placed.add(place(tensor, isNested.test(tensor)));
                placeOrder(tensor.placement());
            }
            places.put(parameter, placed);
        });
        long max = layout.fourBit().keySet().stream()
                .mapToLong(Parameter::count)
                .max()
                .orElse(0);
        workspace = take(max * dtype.bytes());
    }

    private Place place(ParameterTensor tensor, boolean isNested) {
        long blocks = Quantize4bit.blocks(tensor.count());
        long factors = (blocks + Quantize4bit.NESTED_BLOCK - 1) / Quantize4bit.NESTED_BLOCK;
        return new Place(
                tensor,
                isNested,
                take(Quantize4bit.codeBytes(tensor.count())),
                take(isNested ? blocks : Float.BYTES * blocks),
                isNested ? take(Float.BYTES * factors) : 0,
                isNested ? take(Float.BYTES * Dequantize4bit.NESTED_CODES) : 0);
    }

    /** Layers share the order of a projection's rows. */
    private void placeOrder(Placement placement) {
        if (!orders.containsKey(placement.rows())) {
            RowOrder order = RowOrder.find(placement);
            orders.put(placement.rows(), order.isPlain() ? -1L : take((long) Integer.BYTES * order.inRows.length));
        }
    }

    private long take(long bytes) {
        long at = next;
        next += bytes + ALIGNMENT - 1 & -ALIGNMENT;
        return at;
    }

    /** The tensors of each parameter. */
    Map<Parameter, List<Place>> places() {
        return places;
    }

    /** Where the order of rows is that has these ranges; -1 if the rows are those of the tensor. */
    Map<List<RowRange>, Long> orders() {
        return orders;
    }

    /** Where the decoded matrix is. */
    long workspace() {
        return workspace;
    }

    /** Size of the buffer. */
    long bytes() {
        return next;
    }
}
