package org.dpo4j.model;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.DeviceBuffer;
import org.dpo4j.kernels.LossType;
import org.dpo4j.kernels.PreferenceLoss;
import org.dpo4j.kernels.PreferenceOptions;

/**
 * Results of a forward and backward pass over preference pairs, on the host.
 *
 * @param tokens log-prob of each completion token
 * @param losses one per pair
 * @param gradients gradients of the mean loss, by the parameter's name
 */
record PairStep(float[] tokens, float[] losses, Map<String, float[]> gradients) {

    /**
     * How the head splits a batch into chunks.
     *
     * @param rows max rows of logits in memory
     * @param group group of the loss: 2, or {@link CompletionLoss#WHOLE_BATCH} for a loss that needs all pairs
     */
    record Head(int rows, int group) {
        static final Head DEFAULT = new Head(1 << 16, 2);

        TrainingModel.Options options(Model model, CompletionSums sums) {
            long stride = model.architecture().vocabSize() + 7 & -8;
            return new TrainingModel.Options(sums, 4 * rows * stride, false);
        }
    }

    /**
     * Pairs under DPO's sigmoid loss.
     *
     * @param reference log-probs of the reference: chosen, rejected, ...
     * @param beta beta of the loss
     */
    record Input(List<PreferencePair> pairs, float[] reference, double beta) {
        PairStep run(Model model, Head head) {
            return PairStep.run(model, this, PackedBatch.pairs(pairs, true), head, 1);
        }
    }

    /** Keeps log-probs and losses of all chunks; the other buffers hold a chunk. */
    private static final class Sigmoid implements CompletionLoss, AutoCloseable {
        private final Device device;
        private final PreferenceOptions options;
        private final float[] reference;
        private final int[] offsets;
        private final int group;
        private final List<DeviceBuffer> buffers = new ArrayList<>();
        private final long losses;
        private final long dSums;
        private final long references;
        private final long keptTokens;
        private final long keptLosses;

        Sigmoid(Device device, Input input, PackedBatch batch, int group) {
            this.device = device;
            this.options = PreferenceOptions.builder()
                    .loss(LossType.SIGMOID)
                    .beta((float) input.beta)
                    .build();
            this.reference = input.reference;
            this.offsets = batch.offsets();
            this.group = group;
            int pairs = input.pairs.size();
            losses = floats(pairs);
            dSums = floats(2 * pairs);
            references = floats(2 * pairs);
            keptTokens = floats(batch.tokens());
            keptLosses = floats(pairs);
        }

        private long floats(int count) {
            buffers.add(device.allocate(4L * count));
            return buffers.get(buffers.size() - 1).address();
        }

        @Override
        public int group() {
            return group;
        }

        @Override
        public void upload(int first, int count) {
            device.upload(references, Arrays.copyOfRange(reference, first, first + count));
        }

        @Override
        public long dSums(LogProbs logProbs, int count) {
            PreferenceLoss.compute(
                    device,
                    new PreferenceLoss.PairResults(losses, dSums),
                    new PreferenceLoss.PairLogProbs(logProbs.sums(), references),
                    count / 2,
                    PreferenceLoss.NO_WORKSPACE,
                    new PreferenceLoss.Scale(2f / reference.length),
                    options);
            return dSums;
        }

        @Override
        public void keep(LogProbs logProbs, int first, int count) {
            int begin = offsets[first];
            device.copy(keptTokens + 4L * begin, logProbs.tokens(), 4L * (offsets[first + count] - begin));
            device.copy(keptLosses + 2L * first, losses, 2L * count);
        }

        @Override
        public void close() {
            buffers.forEach(DeviceBuffer::close);
        }
    }

    /** Runs the passes this number of times; their gradients add up. */
    static PairStep run(Model model, Input input, PackedBatch batch, Head head, int passes) {
        Device device = model.device();
        model.parameters().zeroGradients();
        try (TrainingModel policy = new TrainingModel(model, head.options(model, CompletionSums.PLAIN));
                Sigmoid loss = new Sigmoid(device, input, batch, head.group())) {
            for (int pass = 0; pass < passes; pass++) {
                policy.accumulate(batch, loss);
            }
            return new PairStep(
                    device.downloadFloats(loss.keptTokens, batch.tokens()),
                    device.downloadFloats(loss.keptLosses, input.pairs.size()),
                    gradients(model));
        }
    }

    static Map<String, float[]> gradients(Model model) {
        Map<String, float[]> gradients = new LinkedHashMap<>();
        for (ParameterTensor tensor : model.parameters().tensors()) {
            gradients.put(tensor.name(), model.parameters().readGradient(tensor));
        }
        return gradients;
    }

    static <T> T get(Map<String, T> tensors, String name) {
        return Objects.requireNonNull(tensors.get(name), name);
    }
}
