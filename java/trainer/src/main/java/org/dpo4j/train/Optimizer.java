package org.dpo4j.train;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.DeviceBuffer;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.decoder.AdamW;
import org.dpo4j.kernels.decoder.AdamW.Rounding;
import org.dpo4j.kernels.decoder.AdamWOptions;
import org.dpo4j.kernels.decoder.GradientNorm;
import org.dpo4j.model.Graphs;
import org.dpo4j.model.Parameters;
import org.dpo4j.model.WeightCheck;
import org.dpo4j.train.checkpoint.SavedState;
import org.jspecify.annotations.Nullable;

/**
 * AdamW over the weights of a model. Its state is on their device: 8 bytes per weight, or 4 with bf16 moments, and 4
 * more for the f32 master copy of bf16 weights. Without a master copy, bf16 weights and bf16 moments are rounded
 * stochastically. A step queues work and does not wait; gradient norms stay in a ring on the device until {@link
 * #takeNorm} reads them.
 */
final class Optimizer implements AutoCloseable {
    /** Bytes of {norm, clip factor} and of the rates, padded to the alignment of an address. */
    private static final int SLOT_BYTES = 16;

    /** The rates, then the key of the random bits. */
    private static final int STEP_BYTES = 2 * SLOT_BYTES;

    private static final int MAX_RING = 1 << 16;

    private final Parameters parameters;
    private final Device device;
    private final Graphs graphs;
    private final float maxGradNorm;
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
    /** {norm, clip factor} of this step. */
    private final DeviceBuffer norm;

    private final DeviceBuffer norms;
    private final DeviceBuffer workspace;
    private final ByteBuffer host;
    private final int ring;
    private final boolean isRingShort;
    private int steps;
    /** Number of steps whose norms were read. */
    private int read;

    private float lastNorm;
    /** The last step that changed the weights, counted from 1; 0 if there is none. */
    private int applied;
    /** The first step whose gradient was not finite, counted from 1; 0 if there is none. */
    private int firstSkipped;

    /**
     * Allocates the state. {@link #takeNorm} must be called at least every {@code ring} steps to see all norms; a
     * {@code ring} above {@value #MAX_RING} is shortened, and steps then read the norms themselves when the ring is
     * full.
     */
    Optimizer(Parameters parameters, TrainOptions options, int ring) {
        this.graphs = new Graphs(parameters.device(), options.step().hasGraphs(parameters.device()));
        this.ring = Math.min(ring, MAX_RING);
        this.isRingShort = ring > MAX_RING;
        this.parameters = parameters;
        this.device = parameters.device();
        this.maxGradNorm = (float) options.optimizer().maxGradNorm;
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
        this.norm = zeros(SLOT_BYTES);
        this.norms = zeros((long) SLOT_BYTES * this.ring);
        this.workspace = device.allocate(GradientNorm.workspaceBytes(parameters.count()));
        this.host = ByteBuffer.allocateDirect(Math.max(STEP_BYTES, SLOT_BYTES * this.ring))
                .order(ByteOrder.nativeOrder());
    }

    /**
     * Queues one step at this learning rate, then zeroes the gradients. Weights do not change if the gradient is not
     * finite.
     */
    void step(double learningRate) {
        if (isRingShort && steps - read == ring) {
            takeNorm();
        }
        long slot = norms.address() + (long) SLOT_BYTES * (steps % ring);
        steps++;
        uploadRates(learningRate);
        graphs.run(this, this::queueStep); // the launches are the same in every step
        device.copy(slot, norm.address(), SLOT_BYTES);
    }

    private void queueStep() {
        long clip = norm.address() + Float.BYTES;
        GradientNorm.compute(
                device, norm.address(), workspace.address(), parameters.gradients(), parameters.count(), maxGradNorm);
        update(0, parameters.decayCount(), decayed, clip);
        update(parameters.decayCount(), parameters.count(), undecayed, clip);
        parameters.zeroGradients();
    }

    /**
     * Waits for the last step and returns its gradient norm before clipping. Throws if the norm of a step since the
     * last call is not finite.
     */
    double takeNorm() {
        readNorms();
        if (firstSkipped > 0) {
            throw new Dpo4jException("the gradient of step " + firstSkipped
                    + " is not finite, so it was not applied and training stops"
                    + (applied > firstSkipped ? " after step " + steps : "") + "; "
                    + (applied == 0
                            ? WeightCheck.explainGradient(parameters) // the weights are still the initial ones
                            : "lower learning_rate, or look at the rows of that step"));
        }
        return lastNorm;
    }

    /** Waits for the steps and returns the last one that changed the weights, counted from 1; 0 if there is none. */
    int applied() {
        readNorms();
        return applied;
    }

    /** Lists moments, master weights and the number of steps. Waits for the steps. */
    void state(SavedState saved) {
        readNorms();
        String format = moments == DType.F32 ? "F32" : "BF16";
        saved.array("exp_avg", format, first.address(), parameters.count());
        saved.array("exp_avg_sq", format, second.address(), parameters.count());
        if (master != null) {
            saved.array("master_weights", "F32", master.address(), parameters.count());
        }
        saved.whole("optimizer_steps", () -> steps, value -> {
            steps = (int) value;
            read = steps;
            applied = steps;
        });
    }

    /** Whether a step has finished when {@link #step} returns, so that reading its norm does not wait. */
    boolean isNormReady() {
        return device.name().equals("cpu");
    }

    /** Reads the norms that are still in the ring. */
    private void readNorms() {
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
        FloatBuffer values = host.clear().asFloatBuffer();
        while (read < steps) {
            lastNorm = values.get(SLOT_BYTES / Float.BYTES * (read % ring - begin));
            read++;
            if (Float.isFinite(lastNorm)) {
                applied = read;
            } else if (firstSkipped == 0) {
                firstSkipped = read;
            }
        }
    }

    @Override
    public void close() {
        graphs.close();
        for (DeviceBuffer buffer :
                new @Nullable DeviceBuffer[] {first, second, master, rates, norm, norms, workspace}) {
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
        return STEP_BYTES
                + SLOT_BYTES
                + (long) SLOT_BYTES * Math.min(ring, MAX_RING)
                + GradientNorm.workspaceBytes(parameters.count());
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
