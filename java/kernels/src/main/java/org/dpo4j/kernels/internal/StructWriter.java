package org.dpo4j.kernels.internal;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.javacpp.Pointer;

/**
 * Writes a params struct of {@code dpo4j.h}, field by field in the order of its declaration. The offset of a field
 * follows from C's rule: the next multiple of its size. A call reads its struct before it returns, so each thread needs
 * memory for only one struct, and a call allocates nothing.
 *
 * <p>Names of structs and fields are those in C. Offsets do not depend on them: a test uses them to compare each struct
 * with {@code dpo4j_struct_layout}.
 */
public final class StructWriter {
    /** More than any struct needs. */
    private static final int MAX_BYTES = 512;

    private static final int MAX_FIELDS = MAX_BYTES / Integer.BYTES;

    private static final ThreadLocal<StructWriter> PER_THREAD = ThreadLocal.withInitial(StructWriter::new);

    private final ByteBuffer memory = ByteBuffer.allocateDirect(MAX_BYTES).order(ByteOrder.nativeOrder());
    private final long address = new Pointer(memory).address();

    private final String[] parents = new String[MAX_FIELDS];
    private final String[] names = new String[MAX_FIELDS];
    private final int[] offsets = new int[MAX_FIELDS];
    private final int[] sizes = new int[MAX_FIELDS];
    private int fields;

    private String struct = "";
    private String parent = "";
    private int parentAlignment;
    private int alignment;
    private int end;

    private StructWriter() {}

    /** Begins a struct in the memory of this thread. It overwrites the struct before it. */
    public static StructWriter begin(String struct) {
        NativeLibrary.load();
        StructWriter writer = PER_THREAD.get();
        writer.struct = struct;
        writer.fields = 0;
        writer.alignment = 1;
        writer.end = 0;
        return writer;
    }

    public StructWriter address(String field, long value) {
        return int64(field, value);
    }

    public StructWriter int64(String field, long value) {
        memory.putLong(place(field, Long.BYTES), value);
        return this;
    }

    public StructWriter int32(String field, int value) {
        memory.putInt(place(field, Integer.BYTES), value);
        return this;
    }

    public StructWriter float32(String field, float value) {
        memory.putFloat(place(field, Float.BYTES), value);
        return this;
    }

    public StructWriter float64(String field, double value) {
        memory.putDouble(place(field, Double.BYTES), value);
        return this;
    }

    public StructWriter int32s(String field, int[] values) {
        int offset = place(field, Integer.BYTES, values.length);
        for (int i = 0; i < values.length; i++) {
            memory.putInt(offset + Integer.BYTES * i, values[i]);
        }
        return this;
    }

    public StructWriter float32s(String field, float[] values) {
        int offset = place(field, Float.BYTES, values.length);
        for (int i = 0; i < values.length; i++) {
            memory.putFloat(offset + Float.BYTES * i, values[i]);
        }
        return this;
    }

    /** Begins a field that is a struct; {@link #close} ends it. It cannot contain another struct. */
    public StructWriter open(String field, int nestedAlignment) {
        end = multiple(end, nestedAlignment);
        parent = field;
        parentAlignment = nestedAlignment;
        return this;
    }

    public StructWriter close() {
        end = multiple(end, parentAlignment);
        parent = "";
        return this;
    }

    /** Returns the address of the struct, valid until this thread begins another. */
    public long end() {
        return address;
    }

    private int place(String field, int bytes) {
        return place(field, bytes, 1);
    }

    private int place(String field, int bytes, int elements) {
        int offset = multiple(end, bytes);
        parents[fields] = parent;
        names[fields] = field;
        offsets[fields] = offset;
        sizes[fields] = bytes * elements;
        fields++;
        alignment = Math.max(alignment, bytes);
        end = offset + bytes * elements;
        return offset;
    }

    /** Returns the next multiple of {@code bytes}, a power of two: a mask, since a division would take longer than all else. */
    private static int multiple(int offset, int bytes) {
        return offset + bytes - 1 & -bytes;
    }

    /** Returns the name of the last struct that this thread has written. */
    static String lastStruct() {
        return PER_THREAD.get().struct;
    }

    /** Returns the layout of the last struct, in the format of {@code dpo4j_struct_layout} without types. */
    static List<String> lastLayout() {
        StructWriter writer = PER_THREAD.get();
        List<String> lines = new ArrayList<>();
        for (int i = 0; i < writer.fields; i++) {
            String parent = writer.parents[i].isEmpty() ? "" : writer.parents[i] + '.';
            lines.add(parent + writer.names[i] + ' ' + writer.offsets[i] + ' ' + writer.sizes[i]);
        }
        lines.add("size " + multiple(writer.end, writer.alignment));
        return lines;
    }
}
