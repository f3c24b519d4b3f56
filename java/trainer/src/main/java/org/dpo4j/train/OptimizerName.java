package org.dpo4j.train;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/** Optimizers, under the names of transformers' {@code OptimizerNames}. Names that mean the same are values of their own. */
public enum OptimizerName {
    /** {@code torch.optim.AdamW}. */
    ADAMW_TORCH("adamw_torch"),
    /** The same: the update is one kernel in any case. */
    ADAMW_TORCH_FUSED("adamw_torch_fused"),
    /** AdamW with moments of 8 bits, as in bitsandbytes. */
    ADAMW_8BIT("adamw_8bit"),
    /** The same. */
    ADAMW_BNB_8BIT("adamw_bnb_8bit"),
    /** {@code torch.optim.SGD}. */
    SGD("sgd", "momentum", "dampening", "nesterov"),
    /** {@code torch.optim.RMSprop}, the optimizer of the DPO paper. */
    RMSPROP("rmsprop", "alpha", "eps", "momentum", "centered"),
    /** Lion of bitsandbytes. */
    LION_32BIT("lion_32bit");

    /** The beginnings and ends of other names of transformers, and what to do instead. The first that fits counts. */
    private static final List<Map.Entry<String, String>> ADVICE = List.of(
            Map.entry("paged_adamw_32bit", "state is never paged out; set adamw_torch"),
            Map.entry("paged_adamw_8bit", "state is never paged out; set adamw_8bit"),
            Map.entry("paged_lion_32bit", "state is never paged out; set lion_32bit"),
            Map.entry("rmsprop_bnb_8bit", "8-bit state is supported for AdamW only; set rmsprop"),
            Map.entry("rmsprop_bnb*", "set rmsprop, which is the same"),
            Map.entry("lion", "set lion_32bit"),
            Map.entry("muon", "set adamw_torch"),
            Map.entry("*lion_8bit", "8-bit state is supported for AdamW only; set lion_32bit"),
            Map.entry("adamw_torch_8bit", "its 8-bit moments are torchao's; set adamw_8bit for those of bitsandbytes"),
            Map.entry("adamw_torch_4bit", "the smallest moments are those of adamw_8bit"),
            Map.entry("adamw_*", "set adamw_torch, whose formula it has"),
            Map.entry("schedule_free_*", "set adamw_torch or sgd, with a schedule (lr_scheduler_type)"),
            Map.entry("*8bit*", "to save memory, set adamw_8bit"),
            Map.entry("galore_*", "to save memory, set adamw_8bit"),
            Map.entry("apollo_*", "to save memory, set adamw_8bit"),
            Map.entry("adafactor", "to save memory, set adamw_8bit; else adamw_torch"),
            Map.entry("adalomo", "to save memory, set adamw_8bit; else adamw_torch"),
            Map.entry("adagrad", "set rmsprop"),
            Map.entry("lomo", "to save memory, set adamw_8bit"),
            Map.entry("*ademamix*", "set adamw_torch"),
            Map.entry("*adamw", "set adamw_torch"));

    private final String option;
    private final List<String> args;

    OptimizerName(String option, String... args) {
        this.option = option;
        this.args = List.of(args);
    }

    /** Keys of {@code optim_args} that this optimizer reads. */
    List<String> args() {
        return args;
    }

    boolean isAdamW() {
        return this == ADAMW_TORCH || this == ADAMW_TORCH_FUSED;
    }

    boolean isAdamW8bit() {
        return this == ADAMW_8BIT || this == ADAMW_BNB_8BIT;
    }

    /** What the value of {@code optim} must be; for a name of transformers, also what to set instead. */
    public static String required(String text) {
        String names = Arrays.stream(values()).map(OptimizerName::toString).collect(Collectors.joining(", "));
        return ADVICE.stream()
                .filter(entry -> fits(text, entry.getKey()))
                .findFirst()
                .map(entry -> "one of " + names + "; " + text + " is not supported: " + entry.getValue())
                .orElse("one of " + names);
    }

    private static boolean fits(String text, String pattern) {
        return text.matches(pattern.replace("*", ".*"));
    }

    /** The value of {@code optim}. */
    @Override
    public String toString() {
        return option;
    }
}
