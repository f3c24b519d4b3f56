package org.dpo4j.train.checkpoint;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.DoubleConsumer;
import java.util.function.DoubleSupplier;
import java.util.function.LongConsumer;
import java.util.function.LongSupplier;
import org.dpo4j.io.JsonFile;
import org.dpo4j.io.SafeTensors;
import org.dpo4j.io.SafeTensorsHeader;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Dpo4jException;

/**
 * The parts of a run's state that a checkpoint stores: arrays in device memory, and numbers. Who owns a part lists it
 * here once, and the same list serves to save and to restore, so that the two cannot disagree. Arrays are stored bit by
 * bit.
 */
public final class SavedState {
    private static final int CHUNK_BYTES = 8 << 20;

    private record Array(SafeTensors.Plan plan, long address) {}

    private record Whole(LongSupplier value, LongConsumer restore) {}

    private record Real(DoubleSupplier value, DoubleConsumer restore) {}

    private final Device device;
    private final Map<String, Array> arrays = new LinkedHashMap<>();
    private final Map<String, Whole> wholes = new LinkedHashMap<>();
    private final Map<String, Real> reals = new LinkedHashMap<>();

    public SavedState(Device device) {
        this.device = device;
    }

    /**
     * An array of {@code count} elements at a device address.
     *
     * @param format F64, F32 or BF16
     */
    public void array(String name, String format, long address, long count) {
        arrays.put(name, new Array(new SafeTensors.Plan(name, format, List.of(count)), address));
    }

    /** A whole number. {@code restore} receives the saved one. */
    public void whole(String name, LongSupplier value, LongConsumer restore) {
        wholes.put(name, new Whole(value, restore));
    }

    /** A finite number. {@code restore} receives the saved one. */
    public void real(String name, DoubleSupplier value, DoubleConsumer restore) {
        reals.put(name, new Real(value, restore));
    }

    /**
     * Copies arrays, which must be small, and numbers to host memory. The result restores all of them. Waits for queued work.
     */
    public Runnable keep() {
        Map<Array, ByteBuffer> copies = new LinkedHashMap<>();
        for (Array array : arrays.values()) {
            ByteBuffer copy = ByteBuffer.allocateDirect((int) array.plan.bytes());
            device.download(copy, array.address);
            copies.put(array, copy);
        }
        ObjectNode numbers = numbers();
        return () -> {
            copies.forEach((array, copy) -> device.upload(array.address, copy.clear()));
            restore(numbers);
        };
    }

    private void restore(ObjectNode numbers) {
        wholes.forEach((name, number) -> number.restore.accept(numbers.get(name).longValue()));
        reals.forEach((name, number) -> number.restore.accept(numbers.get(name).doubleValue()));
    }

    /** Bytes of the file of arrays. */
    public long bytes() {
        return SafeTensors.bytes(plans());
    }

    /** Writes the arrays. Waits for queued work. */
    public void writeArrays(Path file) {
        SafeTensors.write(file, plans(), SafeTensors.chunk(plans(), CHUNK_BYTES), (plan, offset, destination) -> {
            long address = array(plan.name()).address + offset;
            device.download(destination, address);
            destination.position(destination.limit());
        });
    }

    /** The numbers, by name. */
    public ObjectNode numbers() {
        ObjectNode json = JsonFile.object();
        wholes.forEach((name, number) -> json.put(name, number.value.getAsLong()));
        reals.forEach((name, number) -> json.put(name, number.value.getAsDouble()));
        return json;
    }

    /**
     * Restores arrays and numbers. Throws before it changes anything if one is missing, unexpected, or of another size.
     */
    public void restore(Path file, ObjectNode numbers) {
        try (SafeTensors saved = SafeTensors.open(file)) {
            check(saved, numbers);
            ByteBuffer chunk = SafeTensors.chunk(plans(), CHUNK_BYTES);
            arrays.values().forEach(array -> upload(saved, array, chunk));
        }
        restore(numbers);
    }

    private void check(SafeTensors saved, ObjectNode numbers) {
        for (Array array : arrays.values()) {
            SafeTensorsHeader.Entry entry = saved.entries().get(array.plan.name());
            if (entry == null
                    || !entry.dtype().equals(array.plan.dtype())
                    || !entry.shape().equals(array.plan.shape())) {
                throw new Dpo4jException(saved.file() + " has " + (entry == null ? "no " : "another size or type of ")
                        + array.plan.name() + "; resume with the options and the version of dpo4j that wrote it");
            }
        }
        for (String name : saved.entries().keySet()) {
            if (!arrays.containsKey(name)) {
                throw new Dpo4jException(saved.file() + " has " + name
                        + ", which this run has not; resume with the options and the version of dpo4j that wrote it");
            }
        }
        wholes.keySet()
                .forEach(name -> checkNumber(saved, name, numbers.path(name).isIntegralNumber()));
        reals.keySet()
                .forEach(name -> checkNumber(saved, name, numbers.path(name).isNumber()));
    }

    private static void checkNumber(SafeTensors saved, String name, boolean isThere) {
        if (!isThere) {
            throw new Dpo4jException(saved.file().resolveSibling(CheckpointDirectory.STATE) + " has no number " + name
                    + "; resume with the options and the version of dpo4j that wrote it");
        }
    }

    private void upload(SafeTensors saved, Array array, ByteBuffer chunk) {
        SafeTensorsHeader.Entry entry = Objects.requireNonNull(saved.entries().get(array.plan.name()));
        long bytes = entry.end() - entry.begin();
        for (long offset = 0; offset < bytes; offset += CHUNK_BYTES) {
            chunk.clear().limit((int) Math.min(CHUNK_BYTES, bytes - offset));
            saved.read(entry, offset, chunk);
            device.upload(array.address + offset, chunk.flip());
        }
    }

    private Array array(String name) {
        Array found = arrays.get(name);
        if (found == null) {
            throw new IllegalArgumentException(name);
        }
        return found;
    }

    private List<SafeTensors.Plan> plans() {
        return arrays.values().stream().map(Array::plan).toList();
    }
}
