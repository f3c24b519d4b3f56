package org.dpo4j.train;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.DeviceBuffer;
import org.dpo4j.kernels.decoder.CountStep;
import org.dpo4j.kernels.decoder.GradientNorm;
import org.dpo4j.model.Parameters;
import org.dpo4j.train.checkpoint.SavedState;

/**
 * The gradient norms of the steps of a run, before clipping, and the number of steps that were applied. They stay on the
 * device until {@link #read}, the norms in a ring. A step whose norm or loss is not finite changes nothing: its clip factor
 * is NaN, with which the update on the device does nothing, and {@link CountStep} does not count it. So the host need not
 * wait for a norm to skip a step; it learns of it when it reads.
 */
final class GradientNorms implements AutoCloseable {
    /** Bytes of {norm, clip factor, steps that were applied}, padded to the alignment of an address. */
    private static final int SLOT_BYTES = 16;

    private static final int MAX_RING = 1 << 16;

    private final Parameters parameters;
    private final Device device;
    private final float maxNorm;
    /** {norm, clip factor, steps that were applied} of this step. */
    private final DeviceBuffer norm;

    private final DeviceBuffer norms;
    private final DeviceBuffer workspace;
    private final ByteBuffer host;
    private final int ring;
    private final boolean isRingShort;
    private final List<Skipped> skipped = new ArrayList<>();
    private int steps;
    /** Number of steps whose norms were read. */
    private int read;

    private float last;
    /** The last step that changed the weights, counted from 1; 0 if there is none. */
    private int applied;

    /** Number of steps that changed the weights, among those that were read. */
    private int appliedSteps;

    /**
     * A step that changed nothing.
     *
     * @param step counted from 1
     * @param isGradientFinite whether its gradient was finite, but its loss not
     */
    record Skipped(int step, boolean isGradientFinite) {}

    /**
     * Allocates the ring. {@link #read} must be called at least every {@code ring} steps to see all norms; a {@code ring}
     * above {@value #MAX_RING} is shortened, and the norms are then read when the ring is full.
     *
     * @param maxNorm the norm to which gradients are clipped; 0 for no clipping
     */
    GradientNorms(Parameters parameters, float maxNorm, int ring) {
        this.parameters = parameters;
        this.device = parameters.device();
        this.maxNorm = maxNorm;
        this.ring = Math.min(ring, MAX_RING);
        this.isRingShort = ring > MAX_RING;
        this.norm = zeros(SLOT_BYTES);
        this.norms = zeros((long) SLOT_BYTES * this.ring);
        this.workspace = device.allocate(GradientNorm.workspaceBytes(parameters.count()));
        this.host = ByteBuffer.allocateDirect(SLOT_BYTES * this.ring).order(ByteOrder.nativeOrder());
    }

    /** Bytes of the arrays. */
    static long bytes(Parameters parameters, int ring) {
        return SLOT_BYTES
                + (long) SLOT_BYTES * Math.min(ring, MAX_RING)
                + GradientNorm.workspaceBytes(parameters.count());
    }

    /** Makes place for the norm of one more step. */
    void beginStep() {
        if (isRingShort && steps - read == ring) {
            read();
        }
    }

    /** Queues the norm of the gradient. */
    void compute() {
        GradientNorm.compute(
                device, norm.address(), workspace.address(), parameters.gradients(), parameters.count(), maxNorm);
    }

    /** Queues {@link CountStep} after {@link #compute}. The first of the sums, if there are any, is that of losses. */
    void count(CountStep.Sums sums, CountStep.Corrections corrections) {
        long loss = sums.count() == 0 ? 0 : sums.address();
        CountStep.compute(device, new CountStep.Step(clip(), steps(), loss), sums, corrections);
    }

    /** Device address of the number of steps that were applied, an i32. */
    long steps() {
        return norm.address() + 2 * Float.BYTES;
    }

    /** Device address of the clip factor of this step, an f32; NaN if the step is skipped. */
    long clip() {
        return norm.address() + Float.BYTES;
    }

    /** Queues a copy of the norm into the ring, and counts the step. */
    void endStep() {
        device.copy(norms.address() + (long) SLOT_BYTES * (steps % ring), norm.address(), SLOT_BYTES);
        steps++;
    }

    /** Computes the norm of the gradient now, beside the steps, and waits for it. */
    float now() {
        compute();
        device.download(host.clear().limit(SLOT_BYTES), norm.address());
        return host.clear().getFloat();
    }

    /** Waits for the steps and reads the norms that are still in the ring. */
    void read() {
        if (read == steps) {
            return;
        }
        read = Math.max(read, steps - ring);
        int slot = read % ring;
        boolean isWrapped = slot + (steps - read) > ring;
        int begin = isWrapped ? 0 : slot;
        int count = isWrapped ? ring : steps - read;
        host.clear().limit(SLOT_BYTES * count);
        device.download(host, norms.address() + (long) SLOT_BYTES * begin);
        host.clear();
        while (read < steps) {
            readSlot(SLOT_BYTES * (read % ring - begin));
        }
    }

    private void readSlot(int at) {
        last = host.getFloat(at);
        appliedSteps = host.getInt(at + 2 * Float.BYTES);
        read++;
        if (Float.isFinite(host.getFloat(at + Float.BYTES))) {
            applied = read;
        } else {
            skipped.add(new Skipped(read, Float.isFinite(last)));
        }
    }

    /** Whether a step has finished when it is queued, so that {@link #read} does not wait. */
    boolean isReady() {
        return device.name().equals("cpu");
    }

    /** The norm of the last step that was read. */
    float last() {
        return last;
    }

    /** The last step that was read and that changed the weights, counted from 1; 0 if there is none. */
    int applied() {
        return applied;
    }

    /** The steps that were skipped, among those read since the last call. */
    List<Skipped> takeSkipped() {
        List<Skipped> taken = List.copyOf(skipped);
        skipped.clear();
        return taken;
    }

    /** Lists the number of steps, and of those that were applied. Waits for the steps. */
    void state(SavedState saved) {
        read();
        saved.whole("gradient_norms", () -> steps, value -> {
            steps = (int) value;
            read = steps;
            applied = steps;
        });
        saved.whole("applied_steps", () -> appliedSteps, value -> {
            appliedSteps = (int) value;
            device.upload(steps(), new int[] {appliedSteps});
        });
    }

    private DeviceBuffer zeros(long bytes) {
        DeviceBuffer buffer = device.allocate(bytes);
        device.fill(buffer.address(), 0, bytes);
        return buffer;
    }

    @Override
    public void close() {
        norm.close();
        norms.close();
        workspace.close();
    }
}
