package org.dpo4j.train;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.Parameters;
import org.dpo4j.model.PassMemory;

/**
 * The device memory of a run in bytes, computed before it is allocated: the maximum of {@link Device#allocatedBytes}.
 * The CUDA context, cuBLASLt's workspace of 32 MiB and CUDA graphs are not included.
 *
 * <p>A checkpoint needs no device memory, and 8 MiB of host memory for copies: its snapshot of weights and optimizer is in
 * the operating system's page cache, as files that are forced to the disk while training goes on.
 *
 * <p>The reference's log-probs are computed before the first step, with the initial weights, so there is no second copy
 * of the model. The memory of those passes is freed before moments and activations are allocated.
 *
 * @param weights in their dtype
 * @param masterWeights f32 copy of bf16 weights; 0 with stochastic rounding
 * @param gradients f32
 * @param moments AdamW's first and second moments
 * @param passes activations and logits of training, reference and evaluation
 * @param arrays small arrays of the objective
 * @param optimizerArrays small arrays of the optimizer
 */
public record MemoryPlan(
        long weights,
        long masterWeights,
        long gradients,
        long moments,
        Passes passes,
        long arrays,
        long optimizerArrays) {

    /** The plan of a run that trains these steps. */
    static MemoryPlan of(Parameters parameters, Objective objective, Steps steps, TrainOptions options) {
        return of(
                parameters,
                objective.passes(steps),
                objective.bytes(),
                options,
                options.logging().loggingInterval(steps.total()));
    }

    /** The plan of weights, gradients and optimizer, without passes. */
    static MemoryPlan ofState(Parameters parameters, TrainOptions options) {
        return of(parameters, Passes.NONE, 0, options, 1);
    }

    private static MemoryPlan of(Parameters parameters, Passes passes, long arrays, TrainOptions options, int ring) {
        return new MemoryPlan(
                parameters.dtype().bytes() * parameters.count(),
                Optimizer.masterBytes(parameters, options),
                DType.F32.bytes() * parameters.count(),
                Optimizer.momentBytes(parameters, options),
                passes,
                arrays,
                Optimizer.arrayBytes(parameters, ring));
    }

    /** The peak of allocated device memory in bytes: that of the reference log-probs or that of training, whichever is larger. */
    public long bytes() {
        long optimizer = masterWeights + moments + optimizerArrays;
        long steps = optimizer + passes.training().total() + passes.evaluation().total();
        return weights + gradients + arrays + Math.max(passes.reference().total(), steps);
    }

    /** Throws, with advice on what to lower, if the run needs more than {@code available} bytes. */
    public void check(long available) {
        if (bytes() > available) {
            throw new Dpo4jException("the run needs " + inUnits(bytes()) + " of device memory, but "
                    + inUnits(available) + " are available: " + described() + "; " + String.join(", or ", ways()));
        }
    }

    private List<String> ways() {
        List<String> ways = new ArrayList<>();
        if (masterWeights > 0) {
            ways.add("set bf16_stochastic_round and adam_moments_dtype bfloat16");
        } else if (weights < gradients && moments == 2 * gradients) {
            ways.add("set adam_moments_dtype bfloat16");
        }
        if (passes.training().total() > 0) {
            ways.add("lower per_device_train_batch_size or max_length");
        }
        if (passes.evaluation().total() > 0
                || passes.reference().total() > passes.training().total()) {
            ways.add("lower per_device_eval_batch_size");
        }
        ways.add("use a smaller model");
        return ways;
    }

    /** Bytes by what they hold, without parts that the run does not have. */
    Map<String, Long> parts() {
        PassMemory training = passes.training();
        Map<String, Long> parts = new LinkedHashMap<>();
        parts.put("weights", weights);
        parts.put("master weights", masterWeights);
        parts.put("gradients", gradients);
        parts.put("AdamW's moments", moments);
        parts.put("activations", training.activations());
        parts.put("head", training.head());
        parts.put("evaluation", passes.evaluation().total());
        parts.put("reference log-probs (before training)", passes.reference().total());
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
        return "at most " + inUnits(bytes()) + ": " + described();
    }

    /** Bytes as GB, MB or kB, which are powers of ten. */
    static String inUnits(long bytes) {
        String[] units = {"GB", "MB"};
        double unit = 1e9;
        for (String name : units) {
            if (bytes >= unit) {
                return String.format(Locale.ROOT, "%.1f %s", bytes / unit, name);
            }
            unit /= 1000;
        }
        return String.format(Locale.ROOT, "%.1f kB", bytes / unit);
    }
}
