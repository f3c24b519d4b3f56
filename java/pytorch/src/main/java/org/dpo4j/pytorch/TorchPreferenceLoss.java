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
 * A preference loss from libtorch logits, and its gradient for autograd. The kernels read the logits where they lie and
 * write the gradient once, without a softmax, a graph or a copy of either.
 *
 * <pre>{@code
 * try (TorchPreferenceLoss loss = TorchPreferenceLoss.on(logits, PreferenceOptions.of(LossType.SIGMOID))) {
 *     Result result = loss.compute(new Completions(logits, targets, offsets), reference, new Scale(1f / pairs));
 *     result.backward(); // on through whatever made the logits
 * }
 * }</pre>
 *
 * <p>Ownership: tensors given stay the caller's and are not retained. Tensors returned belong to the
 * {@code PointerScope} that is open at the call: open one for each step.
 *
 * <p>Threading: one thread at a time. On cuda, work is queued on the stream that was current when this was opened, and
 * nothing waits for it. Nothing of a call is recorded in a graph.
 *
 * <p>Tensors that do not fit are refused with a {@link Dpo4jException} that names them and says what to do; see
 * {@link TorchDevice}. Before it throws, nothing has been written.
 */
public final class TorchPreferenceLoss implements AutoCloseable {

    /**
     * Completions and what the model says of them. They are in pairs: chosen, rejected of pair 0, of pair 1, ...
     *
     * @param logits {@code Float}, {@code BFloat16} or {@code Half} {@code [rows, vocabulary]}, see
     *     {@link TorchDevice#logits}: row i is what the model expected at token i
     * @param targets {@code Int[rows]}: token i. Negative: the row counts for nothing and its gradient is 0. At or
     *     beyond the vocabulary: its numbers are NaN
     * @param offsets {@code Int[2 pairs + 1]}, not decreasing: completion s is the rows {@code [offsets[s],
     *     offsets[s+1])}. Rows of no completion get a gradient of 0. Checked on cpu; on cuda wrong offsets read and
     *     write wherever they point, as looking at them would stop the stream
     */
    public record Completions(Tensor logits, Tensor targets, Tensor offsets) {}

    /**
     * What a call has computed.
     *
     * @param losses {@code Float[pairs]}
     * @param logProbs {@code Float[2 pairs]}: sums over completions
     * @param metrics {@code Double[PreferenceLoss.METRICS]}, a sum and a count for each {@link PreferenceLoss.Metric}
     * @param gradient of the logits' type and sizes, the scale times d (sum of losses) / d logits
     * @param logits as given
     */
    public record Result(Tensor losses, Tensor logProbs, Tensor metrics, Tensor gradient, Tensor logits) {

        /**
         * Gives the gradient to autograd, which frees the graph. For other wishes: {@code logits.backward(gradient,
         * ...)}.
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

    /** On the device of a tensor, and on cuda on libtorch's current stream. */
    public static TorchPreferenceLoss on(Tensor tensor, PreferenceOptions options) {
        TorchDevice torch = TorchDevice.of(tensor);
        boolean shifted = options.hasRunningMean();
        return new TorchPreferenceLoss(torch, options, shifted ? zeroed(torch.kernels(), 2 * Double.BYTES) : null);
    }

    private static DeviceBuffer zeroed(Device device, long bytes) {
        DeviceBuffer buffer = device.allocate(bytes);
        device.fill(buffer.address(), 0, bytes);
        return buffer;
    }

    /** Sums of log-probs over completions, {@code Float[2 pairs]}: what a reference model is asked for. No gradient. */
    public Tensor logProbs(Completions of) {
        Rows rows = rows(of);
        Tensor sums = torch.zeros(ScalarType.Float, rows.sequences.sequences());
        try (PointerScope temporaries = new PointerScope()) {
            forward(rows, sums, torch.zeros(ScalarType.Float, rows.count), 0);
        }
        return sums;
    }

    /**
     * Losses and their gradient, in memory of its own.
     *
     * @param reference {@code Float[2 pairs]}, {@link #logProbs} of the reference model; null for the reference-free
     *     loss, and where no loss measures from one
     * @param scale how much a pair, and a token of an SFT loss, is of the whole optimizer step
     */
    public Result compute(Completions of, @Nullable Tensor reference, Scale scale) {
        Rows rows = rows(of);
        checkRequiresGrad(of.logits);
        Tensor gradient = torch.emptyRows(of.logits, rows.logits.stride());
        return compute(of, rows, gradient, torch.gradient("gradient", gradient), reference, scale);
    }

    /**
     * As {@link #compute}, with the gradient in place of the logits, whose values are gone. Autograd knows that they
     * are: where an operation needs them for its own gradient (tanh of a soft cap, say), {@link Result#backward}
     * throws. A leaf is refused.
     */
    public Result computeInPlace(Completions of, @Nullable Tensor reference, Scale scale) {
        Rows rows = rows(of);
        checkRequiresGrad(of.logits);
        if (of.logits.is_leaf()) {
            throw new Dpo4jException("logits is a leaf, whose values are not autograd's to lose: use compute");
        }
        Tensor gradient = of.logits.detach();
        LogitsGradient place = torch.gradient("logits", gradient);
        Result result = compute(of, rows, gradient, place, reference, scale);
        of.logits.unsafeGetTensorImpl().bump_version();
        return result;
    }

    /** Closes the device's resources; waits for work that was queued. */
    @Override
    public void close() {
        if (runningMean != null) {
            runningMean.close();
        }
        torch.close();
    }

    /** Arguments once checked. */
    private record Rows(Logits logits, long targets, Tensor targetsTensor, long count, Sequences sequences) {}

    private Rows rows(Completions of) {
        Logits logits = torch.logits("logits", of.logits);
        long count = of.logits.size(0);
        long targets = torch.read("targets", of.targets, ScalarType.Int, count);
        long ends = of.offsets.numel();
        if (ends < 3 || ends % 2 == 0) {
            throw new Dpo4jException("offsets has " + ends + " values, must have 2 pairs + 1, of at least one pair");
        }
        long offsets = torch.read("offsets", of.offsets, ScalarType.Int, ends);
        if (torch.isCpu()) {
            checkOffsets(torch.kernels().downloadInts(offsets, Math.toIntExact(ends)), count);
        }
        return new Rows(logits, targets, of.targets, count, new Sequences(offsets, ends - 1));
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
            throw new Dpo4jException("logits does not require grad, so nobody would receive a gradient: compute it with"
                    + " gradients enabled, or ask for logProbs alone");
        }
    }

    private Result compute(
            Completions of, Rows rows, Tensor gradient, LogitsGradient place, @Nullable Tensor reference, Scale scale) {
        long pairs = rows.sequences.sequences() / 2;
        long ofReference = reference == null ? 0 : torch.read("reference", reference, ScalarType.Float, 2 * pairs);
        Tensor losses = torch.zeros(ScalarType.Float, pairs);
        Tensor sums = torch.zeros(ScalarType.Float, 2 * pairs);
        Tensor metrics = torch.zeros(ScalarType.Double, PreferenceLoss.METRICS);
        try (PointerScope temporaries = new PointerScope()) {
            Tensor lse = torch.zeros(ScalarType.Float, rows.count);
            Tensor ofTokens = torch.zeros(ScalarType.Float, rows.count, TokenLogProb.STATISTICS);
            Tensor statistics = torch.zeros(ScalarType.Float, 2 * pairs, TokenLogProb.STATISTICS);
            Tensor dSums = torch.zeros(ScalarType.Float, 2 * pairs);
            forward(rows, sums, lse, address(ofTokens));
            sum(statistics, ofTokens, rows.sequences, TokenLogProb.STATISTICS);
            long mean = runningMean == null ? 0 : runningMean.address();
            PreferenceLoss.compute(
                    torch.kernels(),
                    new PreferenceLoss.PairResults(address(losses), address(dSums), address(metrics), mean),
                    new PreferenceLoss.PairLogProbs(address(sums), ofReference, lengths(rows), address(statistics)),
                    pairs,
                    workspace(pairs),
                    scale,
                    options);
            backward(rows, place, lse, dSums);
        }
        return new Result(losses, sums, metrics, gradient, of.logits);
    }

    private void forward(Rows rows, Tensor sums, Tensor lse, long statistics) {
        Tensor logProb = torch.zeros(ScalarType.Float, rows.count);
        TokenLogProb.TokenResults results = new TokenLogProb.TokenResults(address(logProb), address(lse), statistics);
        TokenLogProb.forward(torch.kernels(), results, rows.logits, rows.targets, rows.count);
        sum(sums, logProb, rows.sequences, 1);
    }

    private void sum(Tensor sums, Tensor values, Sequences of, long width) {
        Sequences sequences = new Sequences(of.offsets(), of.sequences(), width, of.tailFactor(), of.average());
        SequenceSum.forward(torch.kernels(), address(sums), address(values), sequences);
    }

    private void backward(Rows rows, LogitsGradient place, Tensor lse, Tensor dSums) {
        Tensor dLogProb = torch.zeros(ScalarType.Float, rows.count); // 0 for rows of no completion
        SequenceSum.backward(torch.kernels(), address(dLogProb), address(dSums), rows.sequences);
        TokenLogProb.backward(
                torch.kernels(), place, rows.logits, rows.targets, address(lse), address(dLogProb), rows.count);
    }

    /** Address of i32[2 pairs]: rows of completions that are not masked. */
    private long lengths(Rows rows) {
        Tensor counted = rows.targetsTensor.ge(new Scalar(0)).to(ScalarType.Float);
        Tensor lengths = torch.zeros(ScalarType.Float, rows.sequences.sequences());
        sum(lengths, counted, rows.sequences, 1);
        return lengths.to(ScalarType.Int).const_data_ptr().address();
    }

    private long workspace(long pairs) {
        long bytes = PreferenceLoss.workspaceBytes(pairs, options);
        return bytes == 0 ? 0 : address(torch.zeros(ScalarType.Byte, bytes));
    }

    /** Of a tensor made here, which fits. */
    private static long address(Tensor tensor) {
        return tensor.mutable_data_ptr().address();
    }
}
