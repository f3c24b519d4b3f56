package org.dpo4j.train;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.text.DecimalFormat;
import java.text.DecimalFormatSymbols;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.DeviceBuffer;
import org.dpo4j.kernels.decoder.CountStep;
import org.dpo4j.kernels.decoder.Lerp;
import org.dpo4j.kernels.decoder.WeightUpdate;
import org.dpo4j.kernels.decoder.WeightUpdate.Rounding;
import org.dpo4j.model.Graphs;
import org.dpo4j.model.Parameters;
import org.dpo4j.train.checkpoint.SavedState;
import org.jspecify.annotations.Nullable;

/**
 * Updates the weights of a model by an {@link OptimizerRule}. The state is on their device: the rule's arrays, and 4 bytes
 * per weight for the f32 master copy of bf16 weights. Without a master copy, bf16 weights are rounded stochastically. A
 * step queues work and does not wait. If the gradient or the loss is not finite, the step changes nothing: neither weights
 * nor state, the sums of the objective, nor the number of steps on which bias corrections depend. With {@code use_ema} the
 * average of the weights is part of the state. Random bits are a function of the number of the step, skipped ones included.
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
    private final OptimizerRule rule;
    private final CountStep.Sums sums;
    private final boolean isStochastic;
    private final long seed;
    /** One for each array of the rule. */
    private final List<DeviceBuffer> arrays = new ArrayList<>();

    private final @Nullable DeviceBuffer master;
    private final @Nullable WeightAverage average;
    private final DeviceBuffer rates;
    private final ByteBuffer host;
    private int steps;

    /**
     * Allocates the state.
     *
     * @param sums of the objective, which a skipped step leaves as they were
     * @param ring the number of steps after which {@link #norms} are read
     */
    Optimizer(Parameters parameters, TrainOptions options, CountStep.Sums sums, int ring) {
        this.graphs = new Graphs(parameters.device(), options.step().hasGraphs(parameters.device()));
        this.parameters = parameters;
        this.device = parameters.device();
        this.norms = new GradientNorms(parameters, (float) options.optimizer().maxGradNorm, ring);
        this.rule = OptimizerRules.find(parameters, options.optimizer());
        this.sums = sums;
        this.isStochastic = options.optimizer().bf16StochasticRound;
        this.seed = options.seeds().seed;
        rule.arrays().forEach(array -> arrays.add(zeros(array.bytes())));
        int masterWidth = masterBytes(parameters.dtype(), isStochastic);
        this.master = masterWidth == 0 ? null : device.allocate(masterWidth * parameters.count());
        if (master != null) {
            parameters.copyAsF32(master.address());
        }
        this.average = options.optimizer().useEma ? new WeightAverage(parameters, options.optimizer().emaDecay) : null;
        this.rates = device.allocate(STEP_BYTES);
        this.host = ByteBuffer.allocateDirect(STEP_BYTES).order(ByteOrder.nativeOrder());
    }

    /** Queues one step at this learning rate. Then all gradients count as 0. */
    void step(double learningRate) {
        norms.beginStep();
        steps++;
        uploadRates(learningRate);
        graphs.run(this, this::queueStep); // the launches are the same in every step
        parameters.beginStep();
        norms.endStep();
    }

    private void queueStep() {
        norms.compute();
        norms.count(sums, rule.corrections(rates.address() + Float.BYTES));
        rule.queue(
                new Clipped(norms.clip()),
                arrays.stream().mapToLong(DeviceBuffer::address).toArray());
        if (average != null) {
            average.update(
                    master == null
                            ? new Lerp.Array(parameters.weights(), parameters.dtype())
                            : new Lerp.Array(master.address(), DType.F32),
                    norms.clip());
        }
        parameters.zeroSums();
    }

    /** The gradient norms of the steps. */
    GradientNorms norms() {
        return norms;
    }

    /** The average of the weights; null without {@code use_ema}. */
    @Nullable
    WeightAverage average() {
        return average;
    }

    /** Lists the rule's arrays, master weights, the average and the number of steps. Waits for the steps. */
    void state(SavedState saved) {
        norms.state(saved);
        for (int i = 0; i < arrays.size(); i++) {
            StateArray array = rule.arrays().get(i);
            saved.array(array.name(), array.format(), arrays.get(i).address(), array.count());
        }
        if (master != null) {
            saved.array("master_weights", "F32", master.address(), parameters.count());
        }
        if (average != null) {
            average.state(saved);
        }
        saved.whole("optimizer_steps", () -> steps, value -> steps = (int) value);
    }

    @Override
    public void close() {
        graphs.close();
        norms.close();
        arrays.forEach(DeviceBuffer::close);
        rates.close();
        if (master != null) {
            master.close();
        }
        if (average != null) {
            average.close();
        }
    }

    /** The weights with their gradients, to be clipped. */
    private final class Clipped implements OptimizerRule.Weights {
        private final long clip;

        Clipped(long clip) {
            this.clip = clip;
        }

        @Override
        public Device device() {
            return device;
        }

        @Override
        public long steps() {
            return norms.steps();
        }

        @Override
        public WeightUpdate update(long begin, long end) {
            long bytes = Float.BYTES * begin;
            return new WeightUpdate(
                    new WeightUpdate.Parameters(
                            parameters.weights() + begin * parameters.dtype().bytes(),
                            master == null ? 0 : master.address() + bytes,
                            parameters.dtype()),
                    new WeightUpdate.Inputs(parameters.gradients() + bytes, rates.address(), clip),
                    end - begin,
                    isStochastic ? Rounding.stochastic(rates.address() + SLOT_BYTES, begin) : Rounding.NEAREST);
        }
    }

    /** {learning rate, place for bias corrections}, then {seed, t}; t counted from 1. */
    private void uploadRates(double learningRate) {
        host.clear().putFloat((float) learningRate);
        host.position(SLOT_BYTES).putInt((int) seed).putInt((int) (seed >> 32)).putInt(steps);
        device.upload(rates.address(), host.flip());
    }

    /** Bytes of the rule's arrays. */
    static long stateBytes(Parameters parameters, TrainOptions options) {
        return StateArray.bytes(
                OptimizerRules.find(parameters, options.optimizer()).arrays());
    }

    /** Bytes of the master weights. */
    static long masterBytes(Parameters parameters, TrainOptions options) {
        return masterBytes(parameters.dtype(), options.optimizer().bf16StochasticRound) * parameters.count();
    }

    /** Bytes of the average of the weights. */
    static long averageBytes(Parameters parameters, TrainOptions options) {
        return options.optimizer().useEma ? WeightAverage.bytes(parameters) : 0;
    }

    /** Bytes of the optimizer's other arrays. */
    static long arrayBytes(Parameters parameters, int ring) {
        return STEP_BYTES + GradientNorms.bytes(parameters, ring);
    }

    /** One line for a run header: bytes per parameter, in total and by array. */
    static String bytesPerParameter(Parameters parameters, OptimizerOptions options) {
        int weight = parameters.dtype().bytes();
        int master = masterBytes(parameters.dtype(), options.bf16StochasticRound);
        OptimizerRule rule = OptimizerRules.find(parameters, options);
        int average = options.useEma ? Float.BYTES : 0;
        double state = (double) StateArray.bytes(rule.arrays()) / parameters.count();
        return shown(weight + master + average + Float.BYTES + state) + " bytes per parameter: weight " + weight
                + (master == 0 ? "" : ", master weight " + master) + ", gradient 4"
                + (state == 0 ? "" : ", " + rule.stateName() + " " + shown(state))
                + (average == 0 ? "" : ", average " + average);
    }

    /** At most two digits after the point. */
    private static String shown(double bytes) {
        return new DecimalFormat("0.##", DecimalFormatSymbols.getInstance(Locale.ROOT)).format(bytes);
    }

    private static int masterBytes(DType dtype, boolean isStochastic) {
        return dtype == DType.F32 || isStochastic ? 0 : Float.BYTES;
    }

    private DeviceBuffer zeros(long bytes) {
        DeviceBuffer buffer = device.allocate(bytes);
        device.fill(buffer.address(), 0, bytes);
        return buffer;
    }
}
