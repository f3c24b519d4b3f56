package org.dpo4j.train;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.dpo4j.kernels.Device;

/** Copies small arrays of numbers between host and device through a direct buffer. */
final class HostBuffer {
    private final Device device;
    private final ByteBuffer bytes;

    HostBuffer(Device device, int bytes) {
        this.device = device;
        this.bytes = ByteBuffer.allocateDirect(bytes).order(ByteOrder.nativeOrder());
    }

    void uploadFloats(long address, float[] values) {
        bytes.clear().asFloatBuffer().put(values);
        device.upload(address, bytes.limit(Float.BYTES * values.length));
    }

    void uploadInts(long address, int[] values) {
        bytes.clear().asIntBuffer().put(values);
        device.upload(address, bytes.limit(Integer.BYTES * values.length));
    }

    float[] downloadFloats(long address, int count) {
        float[] values = new float[count];
        device.download(bytes.clear().limit(Float.BYTES * count), address);
        bytes.clear().asFloatBuffer().get(values);
        return values;
    }

    double[] downloadDoubles(long address, int count) {
        double[] values = new double[count];
        device.download(bytes.clear().limit(Double.BYTES * count), address);
        bytes.clear().asDoubleBuffer().get(values);
        return values;
    }
}
