package org.dpo4j.train;

import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Options of AdamW and the dtypes of its state. */
public final class OptimizerOptions extends OptionGroup {

    /** Overrides {@code dtype} if it is given. */
    @Option(
            names = "--bf16",
            arity = "0..1",
            fallbackValue = "true",
            description = "true: weights and activations bfloat16, master weights float32, whatever --dtype is; false:"
                    + " --dtype float32.")
    @Nullable
    Boolean bf16;

    /**
     * Whether bf16 weights have no f32 master weights. AdamW then rounds each weight to one of the two nearest bf16
     * numbers at random, without bias. The name is torchao's.
     */
    @Option(
            names = "--bf16_stochastic_round",
            arity = "0..1",
            fallbackValue = "true",
            description = "Keep no float32 master weights: AdamW rounds bfloat16 weights stochastically, without bias.")
    boolean bf16StochasticRound = false;

    /** Weight decay of matrices; norms have none. */
    @Option(names = "--weight_decay", description = "AdamW's weight decay, on matrices; default ${DEFAULT-VALUE}.")
    double weightDecay = 0;

    /** Decay of the first moment. */
    @Option(names = "--adam_beta1", description = "AdamW's beta1; default ${DEFAULT-VALUE}.")
    double adamBeta1 = 0.9;

    /** Decay of the second moment. */
    @Option(names = "--adam_beta2", description = "AdamW's beta2; default ${DEFAULT-VALUE}.")
    double adamBeta2 = 0.999;

    /** Added to the square root of the second moment. */
    @Option(names = "--adam_epsilon", description = "AdamW's epsilon; default ${DEFAULT-VALUE}.")
    double adamEpsilon = 1e-8;

    /** Storage of both moments. bf16 requires stochastic rounding, which then applies to the moments too. */
    @Option(
            names = "--adam_moments_dtype",
            description =
                    "Storage of AdamW's moments: ${COMPLETION-CANDIDATES}; default ${DEFAULT-VALUE}. bfloat16 needs"
                            + " bf16_stochastic_round.")
    Precision adamMomentsDtype = Precision.FLOAT32;

    /** Maximum global L2 norm of the gradients; 0 for no clipping. */
    @Option(
            names = "--max_grad_norm",
            description = "Gradients are clipped to this norm; 0 for no clipping; default ${DEFAULT-VALUE}.")
    double maxGradNorm = 1;

    /** Maximum number of steps of a run whose gradient is not finite. Such a step is skipped; one more ends the run. */
    @Option(
            names = "--max_nonfinite_steps",
            description =
                    "A step whose gradient is not finite is skipped and its rows are named; training stops at more"
                            + " than this many such steps; default ${DEFAULT-VALUE}.")
    int maxNonfiniteSteps = 3;
}
