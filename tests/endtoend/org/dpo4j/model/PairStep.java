package org.dpo4j.model;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.DeviceBuffer;
import org.dpo4j.kernels.LossType;
import org.dpo4j.kernels.PreferenceLoss;
import org.dpo4j.kernels.PreferenceOptions;

/**
 * What one forward and backward pass over preference pairs leaves, on the host.
 *
 * @param tokens log-prob of each completion token
 * @param sums of the completions: chosen, rejected, ...
 * @param losses one a pair
 * @param gradients of the mean loss, by the parameter's name
 */
record PairStep(float[] tokens, float[] sums, float[] losses, Map<String, float[]> gradients) {

    /**
     * How the head takes a batch.
     *
     * @param rows of logits that it has memory for
     * @param group of the loss: 2, or {@link CompletionLoss#WHOLE_BATCH} for one that would look at all pairs
     */
    record Head(int rows, int group) {
        static final Head DEFAULT = new Head(1 << 16, 2);

        long logitsBytes(Model model) {
            return 4L * rows * (model.architecture().vocabSize() + 7 & -8);
        }
    }

    /** Each address is of a part, but for what is kept. */
    private record Sigmoid(
            Device device,
            PreferenceOptions options,
            int[] offsets,
            float[] reference,
            long losses,
            long dSums,
            long references,
            long keptTokens,
            long keptSums,
            long keptLosses,
            int group)
            implements CompletionLoss {

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
            device.copy(keptSums + 4L * first, logProbs.sums(), 4L * count);
            device.copy(keptLosses + 2L * first, losses, 2L * count);
        }
    }

    /** DPO's sigmoid loss with {@code beta}; {@code reference} holds the reference model's sums. */
    static PairStep run(Model model, List<PreferencePair> pairs, boolean sharePrefix, float[] reference, double beta) {
        return run(model, pairs, sharePrefix, reference, beta, Head.DEFAULT);
    }

    /** As {@link #run}, with the head taking the batch as {@code head} says. */
    static PairStep run(
            Model model, List<PreferencePair> pairs, boolean sharePrefix, float[] reference, double beta, Head head) {
        return run(model, pairs, sharePrefix, reference, beta, head, 1);
    }

    /** As {@link #run}, with the passes done twice and the gradients added up. */
    static PairStep runTwice(Model model, List<PreferencePair> pairs, float[] reference, double beta) {
        return run(model, pairs, true, reference, beta, Head.DEFAULT, 2);
    }

    private static PairStep run(
            Model model,
            List<PreferencePair> pairs,
            boolean sharePrefix,
            float[] reference,
            double beta,
            Head head,
            int passes) {
        Device device = model.device();
        PackedBatch batch = PackedBatch.pairs(pairs, sharePrefix);
        int count = pairs.size();
        PreferenceOptions options = PreferenceOptions.builder()
                .loss(LossType.SIGMOID)
                .beta((float) beta)
                .build();
        model.parameters().zeroGradients();
        try (TrainingModel policy = new TrainingModel(
                        model, new TrainingModel.Options(CompletionSums.PLAIN, head.logitsBytes(model), false));
                DeviceBuffer losses = device.allocate(4L * count);
                DeviceBuffer dSums = device.allocate(8L * count);
                DeviceBuffer references = device.allocate(8L * count);
                DeviceBuffer keptTokens = device.allocate(4L * batch.tokens());
                DeviceBuffer keptSums = device.allocate(8L * count);
                DeviceBuffer keptLosses = device.allocate(4L * count)) {
            Sigmoid loss = new Sigmoid(
                    device,
                    options,
                    batch.offsets(),
                    reference,
                    losses.address(),
                    dSums.address(),
                    references.address(),
                    keptTokens.address(),
                    keptSums.address(),
                    keptLosses.address(),
                    head.group());
            for (int pass = 0; pass < passes; pass++) {
                policy.accumulate(batch, loss);
            }
            return new PairStep(
                    floats(device, keptTokens.address(), batch.tokens()),
                    floats(device, keptSums.address(), batch.completions()),
                    floats(device, keptLosses.address(), count),
                    gradients(model));
        }
    }

    private static Map<String, float[]> gradients(Model model) {
        Map<String, float[]> gradients = new LinkedHashMap<>();
        for (ParameterTensor tensor : model.parameters().tensors()) {
            gradients.put(tensor.name(), model.parameters().readGradient(tensor));
        }
        return gradients;
    }

    static float[] floats(Device device, long address, int count) {
        ByteBuffer bytes = ByteBuffer.allocateDirect(4 * count).order(ByteOrder.LITTLE_ENDIAN);
        device.download(bytes, address);
        float[] values = new float[count];
        bytes.rewind().asFloatBuffer().get(values);
        return values;
    }

    static ByteBuffer direct(float[] values) {
        ByteBuffer bytes = ByteBuffer.allocateDirect(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asFloatBuffer().put(values);
        return bytes;
    }
}
