package org.dpo4j.pytorch;

import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorArrayRefOptional;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.DeviceBuffer;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.PreferenceLoss;
import org.dpo4j.kernels.PreferenceLoss.Scale;
import org.dpo4j.kernels.PreferenceOptions;
import org.dpo4j.kernels.SequenceSum;
import org.dpo4j.kernels.SequenceSum.Sequences;
import org.dpo4j.kernels.TokenLogProb;
import org.dpo4j.kernels.TokenLogProb.Logits;
import org.dpo4j.kernels.TokenLogProb.LogitsGradient;
import org.jspecify.annotations.Nullable;

/**
 * A preference loss of libtorch logits, and its gradient for autograd. The kernels read the logits in place and write
 * the gradient once, without a softmax, an autograd graph or a copy of either.
 *
 * <pre>{@code
 * try (TorchPreferenceLoss loss = TorchPreferenceLoss.on(logits, PreferenceOptions.forLoss(LossType.SIGMOID))) {
 *     Result result = loss.compute(new Completions(logits, targets, offsets), reference, new Scale(1f / pairs));
 *     result.backward(); // continues through the model that computed the logits
 * }
 * }</pre>
 *
 * <p>Ownership: the caller owns the tensors it passes, and they are not retained. Returned tensors belong to the {@code
 * PointerScope} that is open at the call: open one for each step.
 *
 * <p>Threading: only one thread at a time may use an object. On cuda, work is queued on the stream that was current
 * when the object was made, and no call waits for it. Autograd records nothing of a call.
 *
 * <p>A tensor that the kernels cannot use in place is refused with a {@link Dpo4jException} that names it and says what
 * to do (see {@link TorchDevice}). Then nothing has been written.
 */
public final class TorchPreferenceLoss implements AutoCloseable {

    /**
     * Completions and their logits, ordered by pairs: chosen and rejected of pair 0, chosen and rejected of pair 1, ...
     *
     * @param logits {@code Float}, {@code BFloat16} or {@code Half} {@code [rows, vocabulary]}, see {@link
     *     TorchDevice#logits}. Row i has the logits that predict {@code targets[i]}
     * @param targets {@code Int[rows]}, token ids. A row with a negative target is masked: it does not count, and its
     *     gradient is 0. A target at or beyond the vocabulary gives NaN
     * @param offsets {@code Int[2 pairs + 1]}, not decreasing: completion s is the rows {@code [offsets[s],
     *     offsets[s+1])}. Rows outside all completions have a gradient of 0. On cpu, offsets are checked. On cuda they
     *     are not, because that would wait for the stream: with wrong offsets, kernels access memory out of bounds
     */
    public record Completions(Tensor logits, Tensor targets, Tensor offsets) {}

    /**
     * The result of a call.
     *
     * @param losses {@code Float[pairs]}
     * @param logProbs {@code Float[2 pairs]}, summed over each completion
     * @param metrics {@code Double[PreferenceLoss.METRICS]}, a sum and a count for each {@link PreferenceLoss.Metric}
     * @param gradient the scale times d (sum of losses) / d logits, with the type and sizes of the logits
     * @param logits the logits that were passed
     */
    public record Result(Tensor losses, Tensor logProbs, Tensor metrics, Tensor gradient, Tensor logits) {

        /**
         * Passes the gradient to autograd, which then frees the graph. For other options, call {@code
         * logits.backward(gradient, ...)}.
         */
        public void backward() {
            try (BoolOptional freeGraph = new BoolOptional();
                    TensorArrayRefOptional allLeaves = new TensorArrayRefOptional()) {
                logits.backward(gradient, freeGraph, false, allLeaves);
            }
        }
    }

    private final TorchDevice torch;
    private final PreferenceOptions options;
    private final @Nullable DeviceBuffer runningMean;

    private TorchPreferenceLoss(TorchDevice torch, PreferenceOptions options, @Nullable DeviceBuffer runningMean) {
        this.torch = torch;
        this.options = options;
        this.runningMean = runningMean;
    }

    /** Makes a loss on the device of a tensor; on cuda with the stream that is current now. */
    public static TorchPreferenceLoss on(Tensor tensor, PreferenceOptions options) {
        TorchDevice torch = TorchDevice.on(tensor);
        boolean hasMean = options.hasRunningMean();
        return new TorchPreferenceLoss(torch, options, hasMean ? zeroed(torch.kernels(), 2 * Double.BYTES) : null);
    }

    private static DeviceBuffer zeroed(Device device, long bytes) {
        DeviceBuffer buffer = device.allocate(bytes);
        device.fill(buffer.address(), 0, bytes);
        return buffer;
    }

    /**
     * Returns log-probs, summed over each completion, {@code Float[2 pairs]}, without gradient: for the reference
     * model.
     */
    public Tensor logProbs(Completions completions) {
        Inputs inputs = check(completions);
        Tensor sums = torch.zeros(ScalarType.Float, inputs.sequences.sequences());
        try (PointerScope temporaries = new PointerScope()) {
            forward(inputs, sums, torch.zeros(ScalarType.Float, inputs.count), 0);
        }
        return sums;
    }

    /**
     * Computes losses and their gradient, in new memory.
     *
     * @param reference {@code Float[2 pairs]}, {@link #logProbs} of the reference model; null for a reference-free
     *     loss, or if no loss reads a reference
     * @param scale 1 / pairs of the optimizer step, and 1 / chosen tokens for an SFT loss
     */
    public Result compute(Completions completions, @Nullable Tensor reference, Scale scale) {
        Inputs inputs = check(completions);
        checkRequiresGrad(completions.logits);
        Tensor gradient = torch.emptyRows(completions.logits, inputs.logits.stride());
        return compute(completions, inputs, gradient, torch.gradient("gradient", gradient), reference, scale);
    }

    /**
     * {@link #compute} with a gradient that overwrites the logits. Autograd sees the change: if an operation
     * needs the logits for its own gradient (such as tanh of a soft cap), {@link Result#backward} throws. A leaf tensor
     * is refused.
     */
    public Result computeInPlace(Completions completions, @Nullable Tensor reference, Scale scale) {
        Inputs inputs = check(completions);
        checkRequiresGrad(completions.logits);
        if (completions.logits.is_leaf()) {
            throw new Dpo4jException("logits is a leaf tensor, whose values must stay: use compute");
        }
        Tensor gradient = completions.logits.detach();
        LogitsGradient dLogits = torch.gradient("logits", gradient);
        Result result = compute(completions, inputs, gradient, dLogits, reference, scale);
        completions.logits.unsafeGetTensorImpl().bump_version();
        return result;
    }

    /** Waits for queued work, and frees the resources of the device. */
    @Override
    public void close() {
        if (runningMean != null) {
            runningMean.close();
        }
        torch.close();
    }

    /** Checked arguments. */
    private record Inputs(Logits logits, long targets, Tensor targetsTensor, long count, Sequences sequences) {}

    private Inputs check(Completions completions) {
        Logits logits = torch.logits("logits", completions.logits);
        long count = completions.logits.size(0);
        long targets = torch.readAddress("targets", completions.targets, ScalarType.Int, count);
        long offsetCount = completions.offsets.numel();
        if (offsetCount < 3 || offsetCount % 2 == 0) {
            throw new Dpo4jException(
                    "offsets has " + offsetCount + " values, must have 2 pairs + 1, with at least one pair");
        }
        long offsets = torch.readAddress("offsets", completions.offsets, ScalarType.Int, offsetCount);
        if (torch.isCpu()) {
            checkOffsets(torch.kernels().downloadInts(offsets, Math.toIntExact(offsetCount)), count);
        }
        return new Inputs(logits, targets, completions.targets, count, new Sequences(offsets, offsetCount - 1));
    }

    private static void checkOffsets(int[] offsets, long rows) {
        int last = offsets.length - 1;
        for (int i = 0; i < last; i++) {
            if (offsets[i] > offsets[i + 1]) {
                throw new Dpo4jException("offsets[" + (i + 1) + "] is " + offsets[i + 1] + ", less than offsets[" + i
                        + "] = " + offsets[i]);
            }
        }
        if (offsets[0] < 0 || offsets[last] > rows) {
            throw new Dpo4jException("offsets go from " + offsets[0] + " to " + offsets[last] + ", must lie in [0, "
                    + rows + "], the rows of logits");
        }
    }

    private static void checkRequiresGrad(Tensor logits) {
        if (!logits.requires_grad()) {
            throw new Dpo4jException("logits does not require grad, so its gradient would be lost: compute it with"
                    + " gradients enabled, or call logProbs");
        }
    }

    private Result compute(
            Completions completions,
            Inputs inputs,
            Tensor gradient,
            LogitsGradient dLogits,
            @Nullable Tensor reference,
            Scale scale) {
        long pairs = inputs.sequences.sequences() / 2;
        long refs = reference == null ? 0 : torch.readAddress("reference", reference, ScalarType.Float, 2 * pairs);
        Tensor losses = torch.zeros(ScalarType.Float, pairs);
        Tensor sums = torch.zeros(ScalarType.Float, 2 * pairs);
        Tensor metrics = torch.zeros(ScalarType.Double, PreferenceLoss.METRICS);
        try (PointerScope temporaries = new PointerScope()) {
            Tensor lse = torch.zeros(ScalarType.Float, inputs.count);
            Tensor tokenStatistics = torch.zeros(ScalarType.Float, inputs.count, TokenLogProb.STATISTICS);
            Tensor statistics = torch.zeros(ScalarType.Float, 2 * pairs, TokenLogProb.STATISTICS);
            Tensor dSums = torch.zeros(ScalarType.Float, 2 * pairs);
            forward(inputs, sums, lse, address(tokenStatistics));
            sum(statistics, tokenStatistics, inputs.sequences, TokenLogProb.STATISTICS);
            long mean = runningMean == null ? 0 : runningMean.address();
            PreferenceLoss.compute(
                    torch.kernels(),
                    new PreferenceLoss.PairResults(address(losses), address(dSums), address(metrics), mean),
                    new PreferenceLoss.PairLogProbs(address(sums), refs, lengths(inputs), address(statistics)),
                    pairs,
                    workspace(pairs),
                    scale,
                    options);
            backward(inputs, dLogits, lse, dSums);
        }
        return new Result(losses, sums, metrics, gradient, completions.logits);
    }

    private void forward(Inputs inputs, Tensor sums, Tensor lse, long statistics) {
        Tensor logProb = torch.zeros(ScalarType.Float, inputs.count);
        TokenLogProb.TokenResults results = new TokenLogProb.TokenResults(address(logProb), address(lse), statistics);
        TokenLogProb.forward(torch.kernels(), results, inputs.logits, inputs.targets, inputs.count);
        sum(sums, logProb, inputs.sequences, 1);
    }

    private void sum(Tensor sums, Tensor values, Sequences plain, long width) {
        Sequences sequences =
                new Sequences(plain.offsets(), plain.sequences(), width, plain.tailFactor(), plain.average());
        SequenceSum.forward(torch.kernels(), address(sums), address(values), sequences);
    }

    private void backward(Inputs inputs, LogitsGradient dLogits, Tensor lse, Tensor dSums) {
        Tensor dLogProb = torch.zeros(ScalarType.Float, inputs.count); // 0 for rows outside all completions
        SequenceSum.backward(torch.kernels(), address(dLogProb), address(dSums), inputs.sequences);
        TokenLogProb.backward(
                torch.kernels(), dLogits, inputs.logits, inputs.targets, address(lse), address(dLogProb), inputs.count);
    }

    /** The address of i32[2 pairs]: the number of rows of each completion that are not masked. */
    private long lengths(Inputs inputs) {
        Tensor counted = inputs.targetsTensor.ge(new Scalar(0)).to(ScalarType.Float);
        Tensor lengths = torch.zeros(ScalarType.Float, inputs.sequences.sequences());
        sum(lengths, counted, inputs.sequences, 1);
        return lengths.to(ScalarType.Int).const_data_ptr().address();
    }

    private long workspace(long pairs) {
        long bytes = PreferenceLoss.workspaceBytes(pairs, options);
        return bytes == 0 ? 0 : address(torch.zeros(ScalarType.Byte, bytes));
    }

    /** The address of a tensor that was made here, and needs no check. */
    private static long address(Tensor tensor) {
        return tensor.mutable_data_ptr().address();
    }
}
