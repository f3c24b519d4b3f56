package org.dpo4j.train;

import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** AdamW, and what it stores. */
public final class OptimizerOptions extends OptionGroup {

    /** Another name of dtype, where it is given. */
    @Option(
            names = "--bf16",
            arity = "0..1",
            fallbackValue = "true",
            description = "true is --dtype bfloat16: weights and activations bfloat16, master weights float32, whatever"
                    + " --dtype says; false is --dtype float32.")
    @Nullable
    Boolean bf16;

    /**
     * Whether bf16 weights have no f32 master weights, and AdamW rounds them at random to one of their neighbours, unbiased;
     * torchao's name.
     */
    @Option(
            names = "--bf16_stochastic_round",
            arity = "0..1",
            fallbackValue = "true",
            description = "Keep no float32 master weights: AdamW rounds bfloat16 weights stochastically, without bias.")
    boolean bf16StochasticRound = false;

    /** On matrices; norms do not decay. */
    @Option(names = "--weight_decay", description = "AdamW's weight decay, on matrices; default ${DEFAULT-VALUE}.")
    double weightDecay = 0;

    /** Decay of the first moment. */
    @Option(names = "--adam_beta1", description = "AdamW's beta1; default ${DEFAULT-VALUE}.")
    double adamBeta1 = 0.9;

    /** Decay of the second moment. */
    @Option(names = "--adam_beta2", description = "AdamW's beta2; default ${DEFAULT-VALUE}.")
    double adamBeta2 = 0.999;

    /** Added to the root of the second moment. */
    @Option(names = "--adam_epsilon", description = "AdamW's epsilon; default ${DEFAULT-VALUE}.")
    double adamEpsilon = 1e-8;

    /** Storage of both moments; bf16 where weights are rounded at random, and then so are they. */
    @Option(
            names = "--adam_moments_dtype",
            description =
                    "Storage of AdamW's moments: ${COMPLETION-CANDIDATES}; default ${DEFAULT-VALUE}. bfloat16 needs"
                            + " bf16_stochastic_round.")
    Precision adamMomentsDtype = Precision.FLOAT32;

    /** Global L2 norm that gradients are clipped to; 0: no clipping. */
    @Option(
            names = "--max_grad_norm",
            description = "Norm that gradients are clipped to, 0 for none; default ${DEFAULT-VALUE}.")
    double maxGradNorm = 1;
}
