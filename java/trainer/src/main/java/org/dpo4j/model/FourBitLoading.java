package org.dpo4j.model;

import java.nio.ByteBuffer;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.dpo4j.io.FloatFormats;
import org.dpo4j.io.FourBitTensor;
import org.dpo4j.io.StoredTensor;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.DeviceBuffer;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.decoder.Quantize4bit;
import org.dpo4j.model.FourBitMemory.Place;
import org.dpo4j.model.FourBitWeights.Values;

/** Uploads the codes of a checkpoint of bitsandbytes, or quantises matrices of floats on the device, one after the other. */
final class FourBitLoading {
    private final Device device;
    private final DType dtype;
    private final FourBitMemory memory;
    private final Map<String, FourBitSource> sources;
    private final ByteBuffer piece = ByteBuffer.allocateDirect(Staging.BYTES);
    private final Staging staging = new Staging();

    private FourBitLoading(Device device, DType dtype, FourBitMemory memory, Map<String, FourBitSource> sources) {
        this.device = device;
        this.dtype = dtype;
        this.memory = memory;
        this.sources = sources;
    }

    /** {@code sources}: of each 4-bit tensor of the layout, by its name. */
    static FourBitWeights load(
            ParameterLayout layout,
            Device device,
            DType dtype,
            Map<String, FourBitSource> sources,
            LoadProgress progress) {
        FourBitMemory memory = new FourBitMemory(
                layout,
                dtype,
                tensor -> Objects.requireNonNull(sources.get(tensor.name())).isNested());
        FourBitLoading loading = new FourBitLoading(device, dtype, memory, sources);
        return FourBitWeights.allocate(device, dtype, memory, base -> loading.fill(base, progress));
    }

    private Map<Place, Values> fill(long base, LoadProgress progress) {
        Map<Place, Values> values = new LinkedHashMap<>();
        long total = sources.values().stream().mapToLong(FourBitSource::bytes).sum();
        long done = 0;
        try (DeviceBuffer absmax = device.allocate(maxAbsmaxBytes())) {
            for (List<Place> places : memory.places().values()) {
                for (Place place : places) {
                    FourBitSource source =
                            Objects.requireNonNull(sources.get(place.tensor().name()));
                    float offset = source instanceof FourBitSource.Quantised quantised
                            ? upload(quantised.tensor(), base, place)
                            : quantise((FourBitSource.Dense) source, base, place, absmax.address());
                    values.put(place, new Values(source.type(), source.valueDtype(dtype), offset));
                    done += source.bytes();
                    progress.loaded(done, total);
                }
            }
            device.synchronize();
        }
        return values;
    }

    private long maxAbsmaxBytes() {
        return memory.places().values().stream()
                .flatMap(List::stream)
                .mapToLong(place ->
                        Float.BYTES * Quantize4bit.blocks(place.tensor().count()))
                .max()
                .orElse(0);
    }

    /** Returns the offset of nested absmax values. */
    private float upload(FourBitTensor tensor, long base, Place place) {
        copy(tensor.codes(), base + place.codes());
        copy(tensor.absmax(), base + place.absmax());
        FourBitTensor.Nested nested = tensor.nested();
        if (nested == null) {
            int blocks = Math.toIntExact(Quantize4bit.blocks(tensor.count()));
            checkFinite(tensor.absmax(), device.downloadFloats(base + place.absmax(), blocks));
            return 0;
        }
        device.upload(base + place.factors(), nested.factors());
        device.upload(base + place.map(), nested.map());
        return nested.offset();
    }

    private void copy(StoredTensor from, long to) {
        for (long begin = 0; begin < from.bytes(); begin += piece.capacity()) {
            piece.clear().limit((int) Math.min(piece.capacity(), from.bytes() - begin));
            from.read(begin, piece);
            device.upload(to + begin, piece.flip());
        }
    }

    /** The workspace takes the matrix in the order of files, but not transposed: so transformers quantises it. */
    private float quantise(FourBitSource.Dense source, long base, Place place, long scratch) {
        Placement placement = place.tensor().placement();
        Axis rows = Axis.plain(placement.rowCount());
        Placement plain = new Placement(
                0,
                List.of(new Placement.RowRange(rows, 0, rows.size())),
                Axis.plain(placement.columns().size()),
                placement.isTransposed());
        long workspace = base + memory.workspace();
        String format = source.tensor().entry().dtype();
        staging.upload(
                new Staging.Flat(device, workspace, dtype),
                plain,
                format,
                (element, to) -> source.tensor().read(element * FloatFormats.bytes(format), to));
        long count = place.tensor().count();
        Quantize4bit.Results results =
                new Quantize4bit.Results(base + place.codes(), place.isNested() ? scratch : base + place.absmax());
        Quantize4bit.forward(device, results, workspace, count, source.type(), dtype);
        float[] absmax = device.downloadFloats(results.absmax(), Math.toIntExact(Quantize4bit.blocks(count)));
        checkFinite(source.tensor(), absmax);
        return place.isNested() ? nest(absmax, base, place) : 0;
    }

    private float nest(float[] absmax, long base, Place place) {
        NestedAbsmax nested = NestedAbsmax.quantise(absmax, NestedAbsmax.mean(absmax));
        ByteBuffer codes = ByteBuffer.allocateDirect(nested.codes().length).put(nested.codes());
        device.upload(base + place.absmax(), codes.flip());
        device.upload(base + place.factors(), nested.factors());
        device.upload(base + place.map(), NestedAbsmax.numbers());
        return nested.offset();
    }

    private static void checkFinite(StoredTensor tensor, float[] absmax) {
        for (int i = 0; i < absmax.length; i++) {
            if (!Float.isFinite(absmax[i])) {
                throw new Dpo4jException(tensor.file().file() + ": tensor "
                        + tensor.entry().name() + " has a NaN or an infinity in elements "
                        + (long) i * Quantize4bit.BLOCK + " to " + ((long) (i + 1) * Quantize4bit.BLOCK - 1)
                        + ", which 4 bits cannot store; download the model again, or start from another");
            }
        }
    }
}
