package org.dpo4j.train;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.DeviceBuffer;
import org.dpo4j.kernels.decoder.Lerp;
import org.dpo4j.model.Parameters;
import org.dpo4j.train.checkpoint.SavedState;

/**
 * An exponential moving average of the weights, in f32 on their device. It begins as the initial weights. Each step that
 * changes the weights moves it: {@code average = decay average + (1 - decay) weights}.
 */
final class WeightAverage implements AutoCloseable {
    private final Parameters parameters;
    private final DeviceBuffer average;
    private final float share;

    /** Allocates the average of the weights of now. */
    WeightAverage(Parameters parameters, double decay) {
        this.parameters = parameters;
        this.share = (float) (1 - decay);
        this.average = parameters.device().allocate(bytes(parameters));
        parameters.copyAsF32(average.address());
    }

    static long bytes(Parameters parameters) {
        return DType.F32.bytes() * parameters.count();
    }

    /**
     * Queues the move after a step.
     *
     * @param weights the updated weights, or their master weights
     * @param clip device address of the clip factor of the step; if it is NaN, the step changed nothing, and this does
     *     neither
     */
    void update(Lerp.Array weights, long clip) {
        Lerp.compute(parameters.device(), array(), weights, clip, parameters.count(), share);
    }

    /**
     * Runs {@code action} while the model's weights are the average, rounded to their dtype. Between two steps, gradients
     * hold nothing, so their memory keeps the weights meanwhile.
     */
    void during(Runnable action) {
        Device device = parameters.device();
        DType dtype = parameters.dtype();
        long bytes = dtype.bytes() * parameters.count();
        device.copy(parameters.gradients(), parameters.weights(), bytes);
        try {
            Lerp.compute(device, new Lerp.Array(parameters.weights(), dtype), array(), 0, parameters.count(), 1);
            action.run();
        } finally {
            device.copy(parameters.weights(), parameters.gradients(), bytes);
            parameters.zeroGradients();
        }
    }

    void state(SavedState saved) {
        saved.array("average_weights", "F32", average.address(), parameters.count());
    }

    private Lerp.Array array() {
        return new Lerp.Array(average.address(), DType.F32);
    }

    @Override
    public void close() {
        average.close();
    }
}
