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
 * What a run takes of the device's memory, by arithmetic, before it is taken: the largest number of bytes that {@link
 * Device#allocatedBytes} comes to. The CUDA context, the 32 MiB that cuBLASLt works in, and graphs come on top.
 *
 * <p>The reference's log-probs are computed before the first step, with the weights that training begins with: there is
 * no second copy of the model, and what those passes take is given back before moments and activations are allocated.
 *
 * @param weights in their type
 * @param masterWeights f32 copy beside bf16 weights that are not rounded stochastically
 * @param gradients f32
 * @param moments AdamW's
 * @param passes of training, reference and evaluation
 * @param arrays small ones of the objective
 * @param optimizerArrays and of the optimizer
 */
public record MemoryPlan(
        long weights,
        long masterWeights,
        long gradients,
        long moments,
        Passes passes,
        long arrays,
        long optimizerArrays) {

    /** Of a run that trains on these steps of the objective. */
    static MemoryPlan of(Parameters parameters, Objective objective, Steps steps, TrainOptions options) {
        return of(
                parameters,
                objective.passes(steps),
                objective.bytes(),
                options,
                options.logging().loggingInterval(steps.total()));
    }

    /** Of weights, gradients and optimizer alone. */
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

    /** The most bytes at a time: before the first step, or from it on. */
    public long bytes() {
        long optimizer = masterWeights + moments + optimizerArrays;
        long steps = optimizer + passes.training().total() + passes.evaluation().total();
        return weights + gradients + arrays + Math.max(passes.reference().total(), steps);
    }

    /** Throws, saying what to lower, when that is more than {@code available} bytes. */
    public void check(long available) {
        if (bytes() > available) {
            throw new Dpo4jException("the run takes " + inUnits(bytes()) + " of device memory, and "
                    + inUnits(available) + " are available: " + parts() + "; " + String.join(", or ", ways()));
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

    private String parts() {
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
        return parts.entrySet().stream()
                .filter(part -> part.getValue() > 0)
                .map(part -> part.getKey() + " " + inUnits(part.getValue()))
                .collect(Collectors.joining(", "));
    }

    /** One line for a run header. */
    @Override
    public String toString() {
        return "at most " + inUnits(bytes()) + ": " + parts();
    }

    /** In GB, MB or kB: powers of ten, as the sizes of memory in a data sheet. */
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
