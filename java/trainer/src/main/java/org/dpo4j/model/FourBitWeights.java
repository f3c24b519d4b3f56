package org.dpo4j.model;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.DeviceBuffer;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.decoder.Dequantize4bit;
import org.dpo4j.kernels.decoder.QuantType;
import org.jspecify.annotations.Nullable;

/**
 * The matrices of a model's layers in 4 bits. {@link #decode} writes one of them to a workspace that all share, so a model
 * has the memory of one matrix in its dtype. The work is queued on one stream, so a product has read its matrix before the
 * next one is decoded.
 */
final class FourBitWeights implements AutoCloseable {

    /** What a tensor's values depend on, besides its codes. {@code offset}: that of nested absmax values, or 0. */
    record Values(QuantType type, DType valueDtype, float offset) {}

    /** A call that decodes a tensor. */
    private record Call(Dequantize4bit.Matrix out, Dequantize4bit.Codes in) {}

    private final Device device;
    private final DType dtype;
    private final FourBitMemory memory;
    private final @Nullable DeviceBuffer buffer;
    private final Map<FourBitMemory.Place, Values> values;
    private final Map<Parameter, List<Call>> calls = new LinkedHashMap<>();

    private FourBitWeights(
            Device device,
            DType dtype,
            FourBitMemory memory,
            @Nullable DeviceBuffer buffer,
            Map<FourBitMemory.Place, Values> values) {
        this.device = device;
        this.dtype = dtype;
        this.memory = memory;
        this.buffer = buffer;
        this.values = values;
    }

    /** Matrices with sizes but no memory. */
    static FourBitWeights planned(ParameterLayout layout, Device device, DType dtype, FourBit fourBit) {
        FourBitMemory memory = new FourBitMemory(layout, dtype, tensor -> fourBit.isNested());
        return new FourBitWeights(device, dtype, memory, null, Map.of());
    }

    /** Fills a buffer with the parts of all tensors. */
    @FunctionalInterface
    interface Filling {
        Map<FourBitMemory.Place, Values> fill(long base);
    }

    static FourBitWeights allocate(Device device, DType dtype, FourBitMemory memory, Filling filling) {
        DeviceBuffer buffer = device.allocate(memory.bytes());
        try {
            memory.orders().forEach((rows, at) -> {
                if (at >= 0) {
                    Placement placement = new Placement(0, rows, Axis.plain(1), false);
                    device.upload(
                            buffer.address() + at,
                            FourBitMemory.RowOrder.find(placement).inRows());
                }
            });
            FourBitWeights weights = new FourBitWeights(device, dtype, memory, buffer, filling.fill(buffer.address()));
            weights.prepare(buffer.address());
            return weights;
        } catch (RuntimeException | Error e) {
            buffer.close();
            throw e;
        }
    }

    private void prepare(long base) {
        memory.places().forEach((parameter, places) -> {
            List<Call> decodings = new ArrayList<>();
            for (FourBitMemory.Place place : places) {
                decodings.add(new Call(matrix(base, place.tensor().placement()), codes(base, place)));
            }
            calls.put(parameter, decodings);
        });
    }

    private Dequantize4bit.Matrix matrix(long base, Placement placement) {
        FourBitMemory.RowOrder order = FourBitMemory.RowOrder.find(placement);
        long at = memory.orders().getOrDefault(placement.rows(), -1L);
        Axis columns = placement.columns();
        return new Dequantize4bit.Matrix(
                workspace(base) + (long) order.first() * placement.stride() * dtype.bytes(),
                order.inRows().length,
                at < 0 ? 0 : base + at,
                columns.width(),
                columns.paddedWidth(),
                dtype);
    }

    private Dequantize4bit.Codes codes(long base, FourBitMemory.Place place) {
        Values of = values.get(place);
        if (of == null) {
            throw new IllegalStateException(place.tensor().name() + " is not filled");
        }
        Dequantize4bit.Absmax absmax = place.isNested()
                ? new Dequantize4bit.Absmax(
                        base + place.absmax(), base + place.map(), base + place.factors(), of.offset)
                : new Dequantize4bit.Absmax(base + place.absmax());
        int width = place.tensor().placement().columns().size();
        return new Dequantize4bit.Codes(base + place.codes(), absmax, width, of.type, of.valueDtype);
    }

    private long workspace(long base) {
        return base + memory.workspace();
    }

    private long base() {
        if (buffer == null) {
            throw new Dpo4jException("the weights of a planned model have no memory; load the model");
        }
        return buffer.address();
    }

    /** Whether a parameter is one of these. */
    boolean has(Parameter parameter) {
        return memory.places().containsKey(parameter);
    }

    /**
     * Queues the decoding of a parameter, with padding of 0, in the model's dtype. Returns its address, which is valid for
     * work that is queued before the next decoding.
     */
    long decode(Parameter parameter) {
        long base = base();
        for (Call call : calls.getOrDefault(parameter, List.of())) {
            Dequantize4bit.forward(device, call.out, call.in);
        }
        return workspace(base);
    }

    /** Decodes the parameter of a tensor. Returns its memory, from element 0 on; null if the tensor is not one of these. */
    Staging.@Nullable Flat decoded(ParameterTensor tensor) {
        return memory.places().entrySet().stream()
                .filter(each -> each.getValue().stream().anyMatch(place -> place.tensor() == tensor))
                .findFirst()
                .map(each -> new Staging.Flat(device, decode(each.getKey()), dtype))
                .orElse(null);
    }

    /** The tensors of files. */
    List<ParameterTensor> tensors() {
        return memory.places().values().stream()
                .flatMap(List::stream)
                .map(FourBitMemory.Place::tensor)
                .toList();
    }

    /** Number of weights, without padding. */
    long count() {
        return tensors().stream().mapToLong(ParameterTensor::count).sum();
    }

    /** A copy with its own memory. */
    FourBitWeights copy() {
        return allocate(device, dtype, memory, base -> {
            device.copy(base, base(), memory.workspace());
            return values;
        });
    }

    /** {@code nf4 with 4.13 bits a weight; one matrix at a time is decoded to 12345 bytes of f32}. */
    @Override
    public String toString() {
        long workspace = memory.bytes() - memory.workspace();
        String types = values.values().stream()
                .map(each -> each.type.name().toLowerCase(Locale.ROOT))
                .distinct()
                .sorted()
                .collect(Collectors.joining(" and "));
        return String.format(
                Locale.ROOT,
                "%,d weights in %s%.2f bits each; one matrix at a time is decoded, to %.1f MB of %s",
                count(),
                types.isEmpty() ? "" : types + ", ",
                8.0 * memory.workspace() / count(),
                workspace / 1e6,
                dtype == DType.F32 ? "float32" : "bfloat16");
    }

    /** Size of the buffer, with the workspace. */
    long bytes() {
        return memory.bytes();
    }

    @Override
    public void close() {
        if (buffer != null) {
            buffer.close();
        }
    }
}
