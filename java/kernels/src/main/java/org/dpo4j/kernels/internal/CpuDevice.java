package org.dpo4j.kernels.internal;

import java.nio.ByteBuffer;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.DeviceBuffer;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.MatmulShape;

/** CPU threads and host memory. A call returns when its work has finished. */
public final class CpuDevice implements Device {
    private static final int ALIGNMENT = 256;

    private final String description;
    private final InstructionSet set;
    private final MemoryCount memory = new MemoryCount();
    private long context;

    private CpuDevice(long context, InstructionSet set, String description) {
        this.context = context;
        this.set = set;
        this.description = description;
    }

    /** Opens a device with this number of threads; 0 for as many as the process may use. */
    public static CpuDevice open(int threads) {
        NativeLibrary.load();
        if (threads < 0) {
            throw new Dpo4jException("cpu: threads is " + threads + ", must be positive, or 0 for all cores");
        }
        InstructionSet set = InstructionSet.chosen();
        long[] context = new long[1];
        int status = Native.dpo4j_cpu_context_create(context, threads, set.code());
        if (status != 0) {
            throw new Dpo4jException("cpu: " + threads + " threads with " + set.option()
                    + " could not be started (status " + status + "): ask for fewer");
        }
        int used = threads == 0 ? Processor.cores() : threads;
        String description = Processor.model() + ", " + used + (used == 1 ? " thread, " : " threads, ") + set.option();
        return new CpuDevice(context[0], set, description);
    }

    @Override
    public String name() {
        return "cpu";
    }

    @Override
    public String processor() {
        return Processor.model();
    }

    @Override
    public String description() {
        return description;
    }

    @Override
    public String arithmetic() {
        return String.join(
                ", ", name(), processor(), set.option(), "oneDNN " + OneDnn.version(), "dpo4j " + NativeLibrary.hash());
    }

    @Override
    public long context() {
        if (context == 0) {
            throw new Dpo4jException("this cpu device is closed");
        }
        return context;
    }

    @Override
    public long stream() {
        context();
        return 0;
    }

    @Override
    public boolean supports(DType dtype) {
        return dtype != DType.F16;
    }

    @Override
    public DeviceBuffer allocate(long bytes) {
        context();
        Allocation.checkSize(bytes);
        long memoryStart = bytes > Long.MAX_VALUE - ALIGNMENT ? 0 : Native.dpo4j_host_allocate(bytes + ALIGNMENT);
        if (memoryStart == 0) {
            throw new Dpo4jException("cpu: " + bytes + " bytes requested, " + Processor.availableMemory()
                    + " bytes of memory available: use smaller batches or a smaller model");
        }
        long address = (memoryStart + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        return new Allocation(address, bytes, memory, () -> Native.dpo4j_host_free(memoryStart));
    }

    @Override
    public long allocatedBytes() {
        context();
        return memory.current();
    }

    @Override
    public long peakAllocatedBytes() {
        context();
        return memory.peak();
    }

    /** {@link Long#MAX_VALUE} if the operating system does not report it. */
    @Override
    public long availableBytes() {
        context();
        long available = Processor.availableMemory();
        return available == 0 ? Long.MAX_VALUE : available;
    }

    @Override
    public long totalBytes() {
        context();
        return Long.MAX_VALUE;
    }

    @Override
    public void upload(long destination, ByteBuffer source) {
        context();
        ByteBuffer bytes = DirectBuffers.remaining("upload", source);
        Native.dpo4j_host_copy(destination, bytes, bytes.remaining());
        source.position(source.limit());
    }

    @Override
    public void download(ByteBuffer destination, long source) {
        context();
        ByteBuffer bytes = DirectBuffers.remaining("download", destination);
        Native.dpo4j_host_copy(bytes, source, bytes.remaining());
        destination.position(destination.limit());
    }

    @Override
    public void copy(long destination, long source, long bytes) {
        context();
        Native.dpo4j_host_copy(destination, source, bytes);
    }

    @Override
    public void fill(long destination, int value, long bytes) {
        context();
        Native.dpo4j_host_fill(destination, value, bytes);
    }

    @Override
    public void matmul(long c, long a, long b, MatmulShape shape, boolean accumulate) {
        matmul(c, a, b, MatmulRules.NO_BIAS, shape, accumulate);
    }

    @Override
    public void matmul(long c, long a, long b, long bias, MatmulShape shape) {
        MatmulRules.checkBias(shape, bias);
        matmul(c, a, b, bias, shape, false);
    }

    private void matmul(long c, long a, long b, long bias, MatmulShape shape, boolean accumulate) {
        long open = context();
        MatmulRules.checkTypes(shape);
        OneDnn.load();
        long params = StructWriter.begin("dpo4j_matmul_params")
                .address("c", c)
                .address("a", a)
                .address("b", b)
                .address("bias", bias)
                .int64("m", shape.m())
                .int64("n", shape.n())
                .int64("k", shape.k())
                .int64("c_stride", shape.strides().c())
                .int64("a_stride", shape.strides().a())
                .int64("b_stride", shape.strides().b())
                .int32("transpose_a", shape.transposeA() ? 1 : 0)
                .int32("transpose_b", shape.transposeB() ? 1 : 0)
                .int32("accumulate", accumulate ? 1 : 0)
                .int32("b_panels", shape.hasPanels() ? 1 : 0)
                .float32("alpha", shape.alpha())
                .int32("c_dtype", shape.output().code())
                .int32("dtype", shape.inputs().code())
                .end();
        Status.check(open, Native.dpo4j_matmul(open, params));
    }

    @Override
    public boolean hasPanels(long rows, long columns, DType dtype) {
        long open = context();
        OneDnn.load();
        return Native.dpo4j_has_panels(open, rows, columns, dtype.code());
    }

    @Override
    public void packPanels(long matrix, long rows, long columns, DType dtype) {
        pack(matrix, rows, columns, dtype, false);
    }

    @Override
    public void unpackPanels(long matrix, long rows, long columns, DType dtype) {
        pack(matrix, rows, columns, dtype, true);
    }

    private void pack(long matrix, long rows, long columns, DType dtype, boolean unpacks) {
        long open = context();
        OneDnn.load();
        long params = StructWriter.begin("dpo4j_pack_panels_params")
                .address("matrix", matrix)
                .int64("rows", rows)
                .int64("columns", columns)
                .int32("dtype", dtype.code())
                .int32("unpacks", unpacks ? 1 : 0)
                .end();
        Status.check(open, Native.dpo4j_pack_panels(open, params));
    }

    @Override
    public void synchronize() {
        context();
    }

    @Override
    public double microseconds(Runnable work) {
        context();
        long start = System.nanoTime();
        work.run();
        return (System.nanoTime() - start) / 1e3;
    }

    @Override
    public boolean supportsGraphs() {
        context();
        return false;
    }

    @Override
    public Graph capture(Runnable work) {
        context();
        throw new Dpo4jException("capture: the cpu device has no graphs: check supportsGraphs() first");
    }

    @Override
    public void close() {
        long open = context;
        context = 0;
        if (open != 0) {
            Native.dpo4j_context_destroy(open);
        }
    }
}
