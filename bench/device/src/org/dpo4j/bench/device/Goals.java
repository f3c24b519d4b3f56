package org.dpo4j.bench.device;

import java.util.List;
import java.util.function.Predicate;

/** What the measurements are for: the goals, as ratios to the same run's roofline, and the benchmarks that tell. */
final class Goals {
    /**
     * One goal.
     *
     * @param text what is to be reached
     * @param benchmarks names of {@link Benchmarks#ALL}
     * @param peers whether others must have run beside
     */
    record Goal(String text, List<String> benchmarks, boolean peers) {
        Goal(String text, String... benchmarks) {
            this(text, List.of(benchmarks), false);
        }
    }

    static final List<Goal> ALL = List.of(
            new Goal(
                    "token log-prob forward at 0.95 of copy bandwidth or more, vocabularies from 32 000",
                    "token_logprob_forward"),
            new Goal(
                    "its backward, and both in one read, at 0.92 of copy bandwidth or more",
                    "token_logprob_backward",
                    "token_logprob_forward_backward"),
            new Goal(
                    "head forward within 1.03 of one cuBLASLt product at hidden 4096, 1.10 at 896",
                    "lm_head_forward",
                    "lm_head_chunks_forward"),
            new Goal("log-probs alone, head by head: lm_head_forward against chunks of logits", "lm_head_path"),
            new Goal(
                    "head forward and backward within 1.05 of three products at hidden 4096, 1.12 at 896; at hidden 4096, vocabulary 128 256"
                            + " below 16.7, 34.3 and 73.7 ms for 4096, 8192 and 16384 tokens",
                    "lm_head_forward_backward"),
            new Goal("preference loss in 4 us or less a launch, and in 2 as a node of a graph", "preference_loss"),
            new Goal(
                    "RMSNorm and AdamW at 0.92 of copy bandwidth or more",
                    "rms_norm_forward",
                    "rms_norm_backward",
                    "adamw"),
            new Goal(
                    "attention, heads of 128, causal 4096: forward 500 TFLOP/s or more, backward 380",
                    "attention_forward",
                    "attention_backward"),
            new Goal(
                    "shared prefixes at 0.90 or more of the ideal ratio of tokens: layout shared beside plain",
                    "dpo_step"),
            new Goal(
                    "pairs a second of a DPO step of 0.5B parameters: twice those of TRL 1.16 or more, 2.8 times with shared prefixes at prompt to"
                            + " completion 2:1",
                    List.of("dpo_step"),
                    true),
            new Goal("a DPO step of 8B parameters in 130 GB, at 0.55 MFU or more", "dpo_step_8b"));

    private Goals() {}

    /** Lines of a list: what waits for a GPU, and the command that measures it. */
    static List<String> waiting(Predicate<Goal> measured) {
        return ALL.stream()
                .filter(measured.negate())
                .map(goal -> "* " + goal.text + ": `./bench --only " + String.join(",", goal.benchmarks)
                        + (goal.peers ? " --peers FOLDER" : "") + "`")
                .toList();
    }
}
