package org.dpo4j.train;

import java.util.Set;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.Generator;
import org.dpo4j.model.Sampling;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Samples of policy and reference that a run generates at its evaluations. */
public final class SampleOptions extends OptionGroup {
    private static final int PROMPTS = 4;
    private static final int MAX_NEW_TOKENS = 64;

    /** Whether evaluations generate samples. */
    @Option(
            names = "--generate_during_eval",
            arity = "0..1",
            fallbackValue = "true",
            description =
                    "At each evaluation, continue prompts of the evaluation rows by the trained model and by the"
                            + " reference; default ${DEFAULT-VALUE}. The samples and their rewards are printed, and written to"
                            + " generations/step-STEP.jsonl in output_dir. It needs a second copy of the weights on the device.")
    boolean generateDuringEval = false;

    /** Number of prompts; null: {@value #PROMPTS}. */
    @Option(
            names = "--generation_num_prompts",
            description = "Prompts that generate_during_eval continues: the first ones of the first evaluation set;"
                    + " default " + PROMPTS + ".")
    @Nullable
    Integer generationNumPrompts;

    /** Maximum tokens of a sample; null: {@value #MAX_NEW_TOKENS}. */
    @Option(
            names = "--generation_max_new_tokens",
            description = "Maximum tokens of a sample of generate_during_eval; default " + MAX_NEW_TOKENS + ".")
    @Nullable
    Integer generationMaxNewTokens;

    /** Divides the logits; 0: greedy; null: 0. */
    @Option(
            names = "--generation_temperature",
            description = "Divides the logits of samples of generate_during_eval; 0 picks the token with the maximum"
                    + " logit; default 0. Prompt i, counted from 0, is sampled with seed + i by both models.")
    @Nullable
    Double generationTemperature;

    /** Throws, naming the option, if an option is not read, or nothing is evaluated. */
    void check(EvaluationOptions evaluation, ReferenceOptions reference) {
        if (!generateDuringEval) {
            values().keySet().stream()
                    .filter(name -> !name.equals("generate_during_eval"))
                    .findFirst()
                    .ifPresent(name -> {
                        throw new Dpo4jException(name + " is given but generate_during_eval is false; leave it out, or"
                                + " set generate_during_eval to true");
                    });
        } else if (!evaluation.hasRows()) {
            throw new Dpo4jException("generate_during_eval is true but the run does not evaluate; give eval_dataset");
        } else if (reference.isSynced()) {
            throw new Dpo4jException(
                    "generate_during_eval is true but sync_ref_model moves the reference, whose samples"
                            + " are those of one model; leave one of the two out");
        }
    }

    /** Number of prompts. */
    int prompts() {
        return generationNumPrompts == null ? PROMPTS : generationNumPrompts;
    }

    /** How prompts are continued. {@code maxLength}: maximum tokens of prompt and continuation. */
    Generator.Options generator(int maxLength) {
        return new Generator.Options(
                generationMaxNewTokens == null ? MAX_NEW_TOKENS : generationMaxNewTokens,
                maxLength,
                0,
                generationTemperature == null ? Sampling.GREEDY : new Sampling(generationTemperature),
                Set.of());
    }
}
