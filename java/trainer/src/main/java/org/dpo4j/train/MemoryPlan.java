package org.dpo4j.train;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Collectors;
import org.dpo4j.io.ByteSize;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.FourBit;
import org.dpo4j.model.LoraConfig;
import org.dpo4j.model.Model;
import org.dpo4j.model.Parameters;
import org.dpo4j.model.PassMemory;
import org.dpo4j.model.TrainingModel;

/**
 * The device memory of a run in bytes, computed before it is allocated: the maximum of {@link Device#allocatedBytes}, and an
 * estimate of CUDA graphs. The CUDA context and cuBLASLt's workspace of 32 MiB are not included.
 *
 * <p>A checkpoint needs no device memory, and 8 MiB of host memory for copies: its snapshot of weights and optimizer is in
 * the operating system's page cache, as files that are forced to the disk while training goes on.
 *
 * <p>If the reference's log-probs are computed before the first step, the memory of those passes, and of the reference's
 * weights if it is another model, is freed before the optimizer's state and activations are allocated. So the run needs the maximum of
 * both. Otherwise the reference is there during training, and the run needs their sum.
 *
 * @param frozenWeights those of the base model if an adapter is trained; else 0
 * @param isFourBit whether the matrices of the base model's layers are in 4 bits, with a workspace for one decoded matrix
 * @param weights those that are trained, in their dtype
 * @param masterWeights f32 copy of bf16 weights; 0 with stochastic rounding
 * @param gradients f32
 * @param state the optimizer's arrays, such as AdamW's moments
 * @param average f32 average of the weights; 0 without {@code use_ema}
 * @param passes activations and logits of training, reference and evaluation
 * @param arrays small arrays of the objective
 * @param optimizerArrays small arrays of the optimizer
 * @param reference weights of the reference, if it is not the model in training
 * @param isReferenceKept whether the reference is there during training
 * @param samples with generate_during_eval: the reference's weights, and memory of generation and its log-probs
 * @param graphs upper bound on the CUDA graphs of the decoder's passes ({@link TrainingModel#graphBytes}), which the driver
 *     allocates
 */
public record MemoryPlan(
        long frozenWeights,
        boolean isFourBit,
        long weights,
        long masterWeights,
        long gradients,
        long state,
        long average,
        Passes passes,
        long arrays,
        long optimizerArrays,
        long reference,
        boolean isReferenceKept,
        long samples,
        long graphs) {

    /** The plan of a run that trains these steps. */
    static MemoryPlan of(Objective objective, Steps steps, ReferencePlan reference, TrainOptions options) {
        return of(
                objective.model(),
                objective.passes(steps, reference.passes(), options.step()),
                objective.bytes(),
                options,
                options.logging().loggingInterval(steps.total()),
                reference,
                EvaluationSamples.bytes(objective, options),
                graphs(objective.model(), steps, options.step()));
    }

    private static long graphs(Model model, Steps steps, StepOptions step) {
        return step.hasGraphs(model.device())
                ? TrainingModel.graphBytes(
                        model, (long) steps.total() * step.gradientAccumulationSteps, step.gradientCheckpointing)
                : 0;
    }

    /** The plan of weights, gradients and optimizer, without passes. */
    static MemoryPlan ofState(Model model, TrainOptions options) {
        return of(model, Passes.NONE, 0, options, 1, ReferencePlan.NONE, 0, 0);
    }

    private static MemoryPlan of(
            Model model,
            Passes passes,
            long arrays,
            TrainOptions options,
            int ring,
            ReferencePlan reference,
            long samples,
            long graphs) {
        Model sized = sized(model, options);
        Parameters parameters = sized.trained();
        return new MemoryPlan(
                sized.adapter() == null ? 0 : sized.parameters().bytes(),
                sized.parameters().isFourBit(),
                parameters.bytes(),
                Optimizer.masterBytes(parameters, options),
                DType.F32.bytes() * parameters.count(),
                Optimizer.stateBytes(parameters, options),
                Optimizer.averageBytes(parameters, options),
                passes,
                arrays,
                Optimizer.arrayBytes(parameters, ring),
                reference.modelBytes(),
                reference.isKept(),
                samples,
                graphs);
    }

    /**
     * The model with the sizes of a run with these options. That is the model itself, unless the options ask for an adapter
     * or for 4-bit weights that it does not have: then the plan is not that of this run, but of one to compare with.
     */
    private static Model sized(Model model, TrainOptions options) {
        DType dtype = model.parameters().dtype();
        FourBit fourBit = options.lora().fourBit(dtype);
        LoraConfig lora = model.adapter() == null
                ? options.lora().config()
                : model.adapter().config();
        boolean isAsAsked = (lora == null || model.adapter() != null)
                && (fourBit == null || model.parameters().isFourBit());
        if (isAsAsked || lora == null) {
            return model;
        }
        Model sized = Model.planned(model.config(), model.device(), dtype, fourBit);
        sized.addAdapter(lora, null, 0);
        return sized;
    }

    /** The peak of allocated device memory in bytes: that of the reference log-probs or that of training, whichever is larger. */
    public long bytes() {
        long optimizer = masterWeights + state + average + optimizerArrays;
        long steps = optimizer + passes.training().total() + passes.evaluation().total();
        long ofReference = reference + passes.reference().total();
        return frozenWeights
                + weights
                + gradients
                + arrays
                + samples
                + (isReferenceKept ? ofReference + steps : Math.max(ofReference, steps));
    }

    /** {@link #bytes}, and what the driver allocates for CUDA graphs. */
    public long bytesWithGraphs() {
        return bytes() + graphs;
    }

    /** Throws, naming the parts, if the run needs more than {@code available} bytes. */
    public void check(long available) {
        if (bytesWithGraphs() > available) {
            throw refusal(available, "lower what needs most");
        }
    }

    /** The error of a run that does not fit. */
    Dpo4jException refusal(long available, String advice) {
        return new Dpo4jException("the run needs " + inUnits(bytesWithGraphs()) + " of device memory, but "
                + inUnits(available) + " are available: " + described() + "; " + advice);
    }

    /** Bytes by what they hold, without parts that the run does not have. */
    Map<String, Long> parts() {
        PassMemory training = passes.training();
        Map<String, Long> parts = new LinkedHashMap<>();
        parts.put(isFourBit ? "frozen weights, most in 4 bits" : "frozen weights", frozenWeights);
        parts.put("weights", weights);
        parts.put("master weights", masterWeights);
        parts.put("gradients", gradients);
        parts.put("optimizer state", state);
        parts.put("average of weights", average);
        parts.put("activations", training.activations());
        parts.put("head", training.head());
        parts.put("evaluation", passes.evaluation().total());
        parts.put("samples of evaluations", samples);
        parts.put("CUDA graphs", graphs);
        String when = isReferenceKept ? "" : " (before training)";
        parts.put("reference model" + when, reference);
        parts.put("reference log-probs" + when, passes.reference().total());
        parts.put("other", arrays + optimizerArrays + training.total() - training.activations() - training.head());
        parts.values().removeIf(bytes -> bytes <= 0);
        return parts;
    }

    private String described() {
        return parts().entrySet().stream()
                .map(part -> part.getKey() + " " + inUnits(part.getValue()))
                .collect(Collectors.joining(", "));
    }

    /** One line for a run header. */
    @Override
    public String toString() {
        return "at most " + inUnits(bytesWithGraphs()) + ": " + described();
    }

    /** Bytes as GB, MB or kB, which are powers of ten. */
    static String inUnits(long bytes) {
        return ByteSize.text(bytes);
    }
}
