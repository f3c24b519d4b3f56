package org.dpo4j.train;

import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The optimizer, its options, the dtypes of its state, and the average of the weights. */
public final class OptimizerOptions extends OptionGroup {
    private static final OptimizerOptions DEFAULTS = new OptimizerOptions();

    /** The optimizer. */
    @Option(names = "--optim", description = "Optimizer: ${COMPLETION-CANDIDATES}; default ${DEFAULT-VALUE}.")
    OptimizerName optim = OptimizerName.ADAMW_TORCH_FUSED;

    /** Options of the optimizer that have no name of their own. */
    @Option(
            names = "--optim_args",
            description =
                    "More options of the optimizer, key=value,...: momentum, dampening and nesterov of sgd; alpha,"
                            + " eps, momentum and centered of rmsprop.")
    OptionMap optimArgs = OptionMap.EMPTY;

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
     * Whether bf16 weights have no f32 master weights. Each weight is then rounded to one of the two nearest bf16
     * numbers at random, without bias. The name is torchao's.
     */
    @Option(
            names = "--bf16_stochastic_round",
            arity = "0..1",
            fallbackValue = "true",
            description = "Keep no float32 master weights: round bfloat16 weights stochastically, without bias.")
    boolean bf16StochasticRound = false;

    /** Weight decay of matrices; norms have none. */
    @Option(names = "--weight_decay", description = "Weight decay, on matrices; default ${DEFAULT-VALUE}.")
    double weightDecay = 0;

    /** Decay of the first moment. */
    @Option(names = "--adam_beta1", description = "beta1 of AdamW and Lion; default ${DEFAULT-VALUE}.")
    double adamBeta1 = 0.9;

    /** Decay of the second moment. */
    @Option(names = "--adam_beta2", description = "beta2 of AdamW and Lion; default ${DEFAULT-VALUE}.")
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

    /** Whether to average the weights over the steps. The average is saved in {@code ema} beside the model. */
    @Option(
            names = "--use_ema",
            arity = "0..1",
            fallbackValue = "true",
            description = "Keep an exponential moving average of the weights, in float32, and save it as a model in"
                    + " output_dir/ema at the end of the run.")
    boolean useEma = false;

    /** The share of the average that a step keeps. */
    @Option(
            names = "--ema_decay",
            description = "After each step, average = ema_decay * average + (1 - ema_decay) * weights; default"
                    + " ${DEFAULT-VALUE}.")
    double emaDecay = 0.999;

    /** The value of {@code optim_args}. */
    OptimizerArgs args() {
        return new OptimizerArgs(optim, optimArgs);
    }

    /** Throws, naming the option, if the optimizer does not read an option that is given, or refuses its value. */
    void checkOptimizer() {
        args().check();
        if (!useEma && emaDecay != DEFAULTS.emaDecay) {
            throw new Dpo4jException(
                    "ema_decay is " + emaDecay + " but use_ema is false; set use_ema to true, or leave ema_decay out");
        }
        if (!optim.isAdamW() && adamMomentsDtype != DEFAULTS.adamMomentsDtype) {
            throw unread("adam_moments_dtype", adamMomentsDtype, "");
        }
        boolean hasBetas = optim.isAdamW() || optim.isAdamW8bit() || optim == OptimizerName.LION_32BIT;
        if (!hasBetas && adamBeta1 != DEFAULTS.adamBeta1) {
            throw unread("adam_beta1", adamBeta1, "; optim_args holds its options");
        }
        if (!hasBetas && adamBeta2 != DEFAULTS.adamBeta2) {
            throw unread("adam_beta2", adamBeta2, "; optim_args holds its options");
        }
        if (!optim.isAdamW() && !optim.isAdamW8bit() && adamEpsilon != DEFAULTS.adamEpsilon) {
            throw unread("adam_epsilon", adamEpsilon, optim == OptimizerName.RMSPROP ? "; give eps in optim_args" : "");
        }
    }

    private Dpo4jException unread(String names, Object value, String advice) {
        return new Dpo4jException(names + " is " + value + ", which optim " + optim + " does not read" + advice
                + "; leave it out, or set optim to adamw_torch");
    }
}
