package org.dpo4j.model;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
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

    /** DPO's sigmoid loss with {@code beta}; {@code reference} holds the reference model's sums. */
    static PairStep run(Model model, List<PreferencePair> pairs, boolean sharePrefix, float[] reference, double beta) {
        return run(model, pairs, sharePrefix, reference, beta, 1);
    }

    /** As {@link #run}, with the passes done twice and the gradients added up. */
    static PairStep runTwice(Model model, List<PreferencePair> pairs, float[] reference, double beta) {
        return run(model, pairs, true, reference, beta, 2);
    }

    private static PairStep run(
            Model model, List<PreferencePair> pairs, boolean sharePrefix, float[] reference, double beta, int passes) {
        Device device = model.device();
        PackedBatch batch = PackedBatch.pairs(pairs, sharePrefix);
        int count = pairs.size();
        PreferenceOptions options = PreferenceOptions.builder()
                .loss(LossType.SIGMOID)
                .beta((float) beta)
                .build();
        model.parameters().zeroGradients();
        try (LanguageModel policy = LanguageModel.training(model, CompletionSums.PLAIN);
                DeviceBuffer losses = device.allocate(4L * count);
                DeviceBuffer dSums = device.allocate(8L * count);
                DeviceBuffer references = device.allocate(8L * count)) {
            device.upload(references.address(), direct(reference));
            LogProbs logprobs = policy.forward(batch);
            PreferenceLoss.compute(
                    device,
                    new PreferenceLoss.Results(losses.address(), dSums.address(), 0),
                    new PreferenceLoss.Completions(logprobs.sums(), references.address()),
                    count,
                    0,
                    new PreferenceLoss.Scale(1f / count),
                    options);
            policy.backward(dSums.address());
            for (int pass = 1; pass < passes; pass++) {
                policy.forward(batch);
                policy.backward(dSums.address());
            }
            return new PairStep(
                    floats(device, logprobs.tokens(), batch.tokens()),
                    floats(device, logprobs.sums(), batch.completions()),
                    floats(device, losses.address(), count),
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
