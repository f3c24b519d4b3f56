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
import org.jspecify.annotations.Nullable;

/**
 * AdamW over the weights of a model, its state on their device: 8 bytes a weight, 4 with moments of bf16; and 4 more where
 * weights are bf16 beside an f32 master copy. Without that copy bf16 weights are rounded stochastically, and bf16 moments
 * with them. A step queues its work and reads nothing back; the norms of the last steps wait in a ring until {@link
 * #takeNorm} asks.
 */
final class Optimizer implements AutoCloseable {
    /** Bytes of {norm, clip factor} and of the rates, widened to the alignment of an address. */
    private static final int SLOT_BYTES = 16;

    /** The rates, then what decides random bits. */
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
    private final boolean stochastic;
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
    /** Steps whose norms were read. */
    private int read;

    private float lastNorm;
    private int applied;
    /** The first step whose gradient was not finite, counted from 1; 0 where there is none. */
    private int firstSkipped;

    /** The ring holds the norms of {@code ring} steps, of at most {@value #MAX_RING}: then a step reads them first. */
    Optimizer(Parameters parameters, TrainOptions options, int ring) {
        this.graphs = new Graphs(parameters.device(), options.step().graphsOn(parameters.device()));
        this.ring = Math.min(ring, MAX_RING);
        this.isRingShort = ring > MAX_RING;
        this.parameters = parameters;
        this.device = parameters.device();
        this.maxGradNorm = (float) options.optimizer().maxGradNorm;
        this.beta1 = options.optimizer().adamBeta1;
        this.beta2 = options.optimizer().adamBeta2;
        this.decayed = adamw(options, options.optimizer().weightDecay);
        this.undecayed = adamw(options, 0);
        this.stochastic = options.optimizer().bf16StochasticRound;
        this.seed = options.seeds().seed;
        this.moments = options.optimizer().adamMomentsDtype.storage();
        this.first = zeros(moments.bytes() * parameters.count());
        this.second = zeros(moments.bytes() * parameters.count());
        int ofMaster = masterBytes(parameters.dtype(), stochastic);
        this.master = ofMaster == 0 ? null : device.allocate(ofMaster * parameters.count());
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
     * Takes one step at this learning rate and zeroes the gradients. Weights stay as they are where the gradient is not
     * finite.
     */
    void step(double learningRate) {
        if (isRingShort && steps - read == ring) {
            takeNorm();
        }
        long slot = norms.address() + (long) SLOT_BYTES * (steps % ring);
        steps++;
        uploadRates(learningRate);
        graphs.run(this, this::queueStep); // no launch of a step depends on which step it is
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
     * The gradient norm of the last step, before clipping; waits for it. Throws when a step since the last call had
     * none.
     */
    double takeNorm() {
        readNorms();
        if (firstSkipped > 0) {
            throw new Dpo4jException("the gradient of step " + firstSkipped
                    + " is not finite, so it was not applied and training stops"
                    + (applied > firstSkipped ? " after step " + steps : "") + "; "
                    + (applied == 0
                            ? WeightCheck.explainGradient(parameters) // no learning rate had a part in it
                            : "lower learning_rate, or look at the rows of that step"));
        }
        return lastNorm;
    }

    /** The last step that changed the weights: its gradient was finite. Waits for the steps. */
    int applied() {
        readNorms();
        return applied;
    }

    /** Whether norms are there as soon as a step is queued, so that reading them waits for nothing. */
    boolean isNormReady() {
        return device.name().equals("cpu");
    }

    /** Of the steps whose norms are in the ring still. */
    private void readNorms() {
        if (read == steps) {
            return;
        }
        read = Math.max(read, steps - ring);
        int slot = read % ring;
        boolean wraps = slot + (steps - read) > ring;
        int begin = wraps ? 0 : slot;
        int count = wraps ? ring : steps - read;
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
                stochastic ? Rounding.stochastic(rates.address() + SLOT_BYTES, begin) : Rounding.NEAREST,
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

    /** Bytes of all else that an optimizer of this ring allocates. */
    static long arrayBytes(Parameters parameters, int ring) {
        return STEP_BYTES
                + SLOT_BYTES
                + (long) SLOT_BYTES * Math.min(ring, MAX_RING)
                + GradientNorm.workspaceBytes(parameters.count());
    }

    /** One line for a run header: bytes per parameter, by what they hold. */
    static String bytesPerParameter(DType dtype, boolean stochastic, DType moments) {
        int master = masterBytes(dtype, stochastic);
        int all = dtype.bytes() + master + Float.BYTES + 2 * moments.bytes();
        return all + " bytes per parameter: weight " + dtype.bytes() + (master == 0 ? "" : ", master weight " + master)
                + ", gradient 4, AdamW's moments " + 2 * moments.bytes();
    }

    private static int masterBytes(DType dtype, boolean stochastic) {
        return dtype == DType.F32 || stochastic ? 0 : Float.BYTES;
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
