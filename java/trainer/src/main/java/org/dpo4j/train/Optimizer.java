package org.dpo4j.train;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.DeviceBuffer;
import org.dpo4j.kernels.decoder.AdamW;
import org.dpo4j.kernels.decoder.AdamW.Rounding;
import org.dpo4j.kernels.decoder.AdamWOptions;
import org.dpo4j.model.Graphs;
import org.dpo4j.model.Parameters;
import org.dpo4j.train.checkpoint.SavedState;
import org.jspecify.annotations.Nullable;

/**
 * AdamW over the weights of a model. Its state is on their device: 8 bytes per weight, or 4 with bf16 moments, and 4
 * more for the f32 master copy of bf16 weights. Without a master copy, bf16 weights and bf16 moments are rounded
 * stochastically. A step queues work and does not wait. If the gradient is not finite, the step changes nothing: neither
 * weights nor moments. The step counts all the same for bias corrections and random bits, which are functions of the number
 * of the step.
 */
final class Optimizer implements AutoCloseable {
    /** Bytes of the rates, padded to the alignment of an address. */
    private static final int SLOT_BYTES = 16;

    /** The rates, then the key of the random bits. */
    private static final int STEP_BYTES = 2 * SLOT_BYTES;

    private final Parameters parameters;
    private final Device device;
    private final Graphs graphs;
    private final GradientNorms norms;
    private final double beta1;
    private final double beta2;
    private final AdamWOptions decayed;
    private final AdamWOptions undecayed;
    private final boolean isStochastic;
    private final DType moments;
    private final long seed;
    private final DeviceBuffer first;
    private final DeviceBuffer second;
    private final @Nullable DeviceBuffer master;
    private final DeviceBuffer rates;
    private final ByteBuffer host;
    private int steps;
    /** Allocates the state. {@code ring}: the number of steps after which {@link #norms} are read. */
    Optimizer(Parameters parameters, TrainOptions options, int ring) {
        this.graphs = new Graphs(parameters.device(), options.step().hasGraphs(parameters.device()));
        this.parameters = parameters;
        this.device = parameters.device();
        this.norms = new GradientNorms(parameters, (float) options.optimizer().maxGradNorm, ring);
        this.beta1 = options.optimizer().adamBeta1;
        this.beta2 = options.optimizer().adamBeta2;
        this.decayed = adamw(options, options.optimizer().weightDecay);
        this.undecayed = adamw(options, 0);
        this.isStochastic = options.optimizer().bf16StochasticRound;
        this.seed = options.seeds().seed;
        this.moments = options.optimizer().adamMomentsDtype.storage();
        this.first = zeros(moments.bytes() * parameters.count());
        this.second = zeros(moments.bytes() * parameters.count());
        int masterWidth = masterBytes(parameters.dtype(), isStochastic);
        this.master = masterWidth == 0 ? null : device.allocate(masterWidth * parameters.count());
        if (master != null) {
            parameters.copyAsF32(master.address());
        }
        this.rates = device.allocate(STEP_BYTES);
        this.host = ByteBuffer.allocateDirect(STEP_BYTES).order(ByteOrder.nativeOrder());
    }

    /**
     * Queues one step at this learning rate, then zeroes the gradients. Weights do not change if the gradient is not
     * finite.
     */
    void step(double learningRate) {
        norms.beginStep();
        steps++;
        uploadRates(learningRate);
        graphs.run(this, this::queueStep); // the launches are the same in every step
        norms.endStep();
    }

    private void queueStep() {
        norms.compute();
        update(0, parameters.decayCount(), decayed, norms.clip());
        update(parameters.decayCount(), parameters.count(), undecayed, norms.clip());
        parameters.zeroGradients();
    }

    /** The gradient norms of the steps. */
    GradientNorms norms() {
        return norms;
    }

    /** Lists moments, master weights and the number of steps. Waits for the steps. */
    void state(SavedState saved) {
        norms.state(saved);
        String format = moments == DType.F32 ? "F32" : "BF16";
        saved.array("exp_avg", format, first.address(), parameters.count());
        saved.array("exp_avg_sq", format, second.address(), parameters.count());
        if (master != null) {
            saved.array("master_weights", "F32", master.address(), parameters.count());
        }
        saved.whole("optimizer_steps", () -> steps, value -> steps = (int) value);
    }

    @Override
    public void close() {
        graphs.close();
        norms.close();
        for (DeviceBuffer buffer : new @Nullable DeviceBuffer[] {first, second, master, rates}) {
            if (buffer != null) {
                buffer.close();
            }
        }
    }

    private void update(long begin, long end, AdamWOptions options, long clip) {
        long bytes = Float.BYTES * begin;
        AdamW.step(
                device,
                new AdamW.Parameters(
                        parameters.weights() + begin * parameters.dtype().bytes(),
                        master == null ? 0 : master.address() + bytes,
                        parameters.dtype()),
                new AdamW.Moments(
                        first.address() + moments.bytes() * begin, second.address() + moments.bytes() * begin, moments),
                new AdamW.Inputs(parameters.gradients() + bytes, rates.address(), clip),
                end - begin,
                isStochastic ? Rounding.stochastic(rates.address() + SLOT_BYTES, begin) : Rounding.NEAREST,
                options);
    }

    /** {learning rate, 1 / (1 - beta1^t), 1 / (1 - beta2^t)}, then {seed, t}; t counted from 1. */
    private void uploadRates(double learningRate) {
        host.clear()
                .putFloat((float) learningRate)
                .putFloat((float) (1 / (1 - Math.pow(beta1, steps))))
                .putFloat((float) (1 / (1 - Math.pow(beta2, steps))))
                .position(SLOT_BYTES)
                .putInt((int) seed)
                .putInt((int) (seed >> 32))
                .putInt(steps);
        device.upload(rates.address(), host.flip());
    }

    /** Bytes of both moments. */
    static long momentBytes(Parameters parameters, TrainOptions options) {
        return 2L * options.optimizer().adamMomentsDtype.storage().bytes() * parameters.count();
    }

    /** Bytes of the master weights. */
    static long masterBytes(Parameters parameters, TrainOptions options) {
        return masterBytes(parameters.dtype(), options.optimizer().bf16StochasticRound) * parameters.count();
    }

    /** Bytes of the optimizer's other arrays. */
    static long arrayBytes(Parameters parameters, int ring) {
        return STEP_BYTES + GradientNorms.bytes(parameters, ring);
    }

    /** One line for a run header: bytes per parameter, in total and by array. */
    static String bytesPerParameter(DType dtype, boolean isStochastic, DType moments) {
        int master = masterBytes(dtype, isStochastic);
        int all = dtype.bytes() + master + Float.BYTES + 2 * moments.bytes();
        return all + " bytes per parameter: weight " + dtype.bytes() + (master == 0 ? "" : ", master weight " + master)
                + ", gradient 4, AdamW's moments " + 2 * moments.bytes();
    }

    private static int masterBytes(DType dtype, boolean isStochastic) {
        return dtype == DType.F32 || isStochastic ? 0 : Float.BYTES;
    }

    private DeviceBuffer zeros(long bytes) {
        DeviceBuffer buffer = device.allocate(bytes);
        device.fill(buffer.address(), 0, bytes);
        return buffer;
    }

    private static AdamWOptions adamw(TrainOptions options, double weightDecay) {
        return new AdamWOptions(
                options.optimizer().adamBeta1,
                options.optimizer().adamBeta2,
                options.optimizer().adamEpsilon,
                weightDecay);
    }
}
