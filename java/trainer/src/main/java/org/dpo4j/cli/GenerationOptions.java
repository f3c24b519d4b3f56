package org.dpo4j.cli;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.EosTokens;
import org.dpo4j.model.Generator;
import org.dpo4j.model.Sampling;
import org.dpo4j.model.family.GenerationDefaults;
import org.dpo4j.model.family.ModelConfig;
import org.dpo4j.train.OptionRange;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/**
 * How {@code generate} and {@code chat} continue prompts. An option that is not given has the value of {@code generation_config.json}, as
 * in transformers; {@code do_sample} there turns sampling on.
 */
final class GenerationOptions {
    /** The default of {@code generate} for max_new_tokens. */
    static final int MAX_NEW_TOKENS = 128;

    /** The default of transformers for top_k. It applies if generation_config.json sets do_sample but not top_k. */
    private static final int TOP_K_OF_FILES = 50;

    @Option(
            names = "--max_new_tokens",
            description = "Maximum tokens of a continuation; default from generation_config.json, else "
                    + MAX_NEW_TOKENS + ", for chat 1024.")
    private @Nullable Integer maxNewTokens;

    @Option(
            names = "--min_new_tokens",
            description = "EOS and stop tokens are not chosen before this number of tokens; default from"
                    + " generation_config.json, else 0.")
    private @Nullable Integer minNewTokens;

    @Option(
            names = "--temperature",
            description = "Divides the logits; 0 picks the token with the maximum logit; default from"
                    + " generation_config.json if do_sample is true there, else 0.")
    private @Nullable Double temperature;

    @Option(
            names = "--top_k",
            description = "Samples from the k tokens with the largest logits; 0: from all; default from"
                    + " generation_config.json (" + TOP_K_OF_FILES + " if only do_sample is there), else 0.")
    private @Nullable Integer topK;

    @Option(
            names = "--top_p",
            description = "Samples from the most probable tokens that together have this probability; default from"
                    + " generation_config.json, else 1.")
    private @Nullable Double topP;

    @Option(
            names = "--min_p",
            description = "Leaves out tokens whose probability is below this part of the maximum; default from"
                    + " generation_config.json, else 0.")
    private @Nullable Double minP;

    @Option(
            names = "--repetition_penalty",
            description = "Divides positive logits, and multiplies negative ones, of tokens of the prompt and the"
                    + " continuation; default from generation_config.json, else 1.")
    private @Nullable Double repetitionPenalty;

    @Option(
            names = "--stop_strings",
            arity = "1..*",
            description = "A continuation ends before this text; several may follow one another; default from"
                    + " generation_config.json.")
    private @Nullable List<String> stopStrings;

    @Option(names = "--stop_token_ids", split = ",", description = "Tokens that end a continuation, besides EOS.")
    private List<Integer> stopTokenIds = List.of();

    /** Options with the defaults of a model. */
    record Resolved(Generator.Options options, List<String> stopStrings) {}

    /** Throws if an option is outside its range. */
    void check() {
        check(OptionRange.MAX_NEW_TOKENS, maxNewTokens);
        check(OptionRange.MIN_NEW_TOKENS, minNewTokens);
        check(OptionRange.TEMPERATURE, temperature);
        check(OptionRange.TOP_K, topK);
        check(OptionRange.TOP_P, topP);
        check(OptionRange.MIN_P, minP);
        check(OptionRange.REPETITION_PENALTY, repetitionPenalty);
        if (stopStrings != null && stopStrings.contains("")) {
            throw new Dpo4jException("stop_strings is empty; give a text, or leave the option out");
        }
    }

    /** Throws if a value that the file sets and no option replaces is outside its range. */
    private void checkDefaults(GenerationDefaults file, Path directory) {
        try {
            check(OptionRange.MAX_NEW_TOKENS, maxNewTokens == null ? file.maxNewTokens() : null);
            check(OptionRange.MIN_NEW_TOKENS, minNewTokens == null ? file.minNewTokens() : null);
            check(OptionRange.REPETITION_PENALTY, repetitionPenalty == null ? file.repetitionPenalty() : null);
            boolean isTemperatureOfFile = temperature == null && file.doSample();
            check(OptionRange.TEMPERATURE, isTemperatureOfFile ? file.temperature() : null);
            if (temperature(file) != 0) {
                check(OptionRange.TOP_K, topK == null ? file.topK() : null);
                check(OptionRange.TOP_P, topP == null ? file.topP() : null);
                check(OptionRange.MIN_P, minP == null ? file.minP() : null);
            }
        } catch (Dpo4jException e) {
            throw new Dpo4jException(
                    directory.resolve(GenerationDefaults.FILE) + ": " + e.getMessage() + "; mend the file, or give --"
                            + String.valueOf(e.getMessage()).replaceFirst("(?s) .*", ""),
                    e);
        }
    }

    private double temperature(GenerationDefaults file) {
        return temperature != null ? temperature : file.doSample() ? first(null, file.temperature(), 1.0) : 0;
    }

    private static void check(OptionRange range, @Nullable Number value) {
        if (value != null) {
            range.check(value.doubleValue());
        }
    }

    /**
     * Reads the defaults of a model, and says on standard error what the user should know about them. Throws if one that
     * no option replaces is outside its range.
     */
    GenerationDefaults defaults(Path directory) {
        if (!Files.isDirectory(directory)) {
            return GenerationDefaults.NONE; // Model.load says what is wrong
        }
        GenerationDefaults defaults = GenerationDefaults.read(directory);
        checkDefaults(defaults, directory);
        String notice = notice(defaults);
        if (notice != null) {
            Output.notice(notice);
        }
        if (!defaults.unknown().isEmpty()) {
            Output.notice("generation_config.json: keys not used: " + String.join(", ", defaults.unknown()));
        }
        return defaults;
    }

    /** Prints a warning to standard error if the model's files name EOS ids that are outside the vocabulary. */
    static void noticeEos(Path directory, ModelConfig config) {
        String outside = EosTokens.outsideVocabulary(directory, config);
        if (outside != null) {
            Output.notice(outside);
        }
    }

    /** {@code defaultMax}: of max_new_tokens, if neither an option nor the file sets it. */
    Resolved resolve(GenerationDefaults file, int vocabulary, int defaultMax) {
        for (int id : stopTokenIds) {
            if (id < 0 || id >= vocabulary) {
                throw new Dpo4jException(
                        "stop_token_ids is " + id + "; it must be from 0 to " + (vocabulary - 1) + ", a token id");
            }
        }
        Sampling sampling = sampling(file);
        int min = first(minNewTokens, file.minNewTokens(), 0);
        boolean isLengthOfFile = maxNewTokens == null && file.maxNewTokens() == null && file.maxLength() != null;
        int max = first(maxNewTokens, file.maxNewTokens(), isLengthOfFile ? Integer.MAX_VALUE : defaultMax);
        if (min > max) {
            throw new Dpo4jException("min_new_tokens is " + min + origin(minNewTokens, file.minNewTokens())
                    + "; it must be from 0 to max_new_tokens, which is " + max
                    + origin(maxNewTokens, file.maxNewTokens()));
        }
        int length = isLengthOfFile ? first(null, file.maxLength(), 0) : Integer.MAX_VALUE;
        return new Resolved(
                new Generator.Options(max, length, min, sampling, Set.copyOf(stopTokenIds)),
                stopStrings != null ? List.copyOf(stopStrings) : file.stopStrings());
    }

    private Sampling sampling(GenerationDefaults file) {
        double penalty = first(repetitionPenalty, file.repetitionPenalty(), 1.0);
        double divisor = temperature(file);
        if (divisor == 0) {
            refuseWithoutSampling();
            return new Sampling(0, 0, 1, 0, penalty);
        }
        return new Sampling(
                divisor,
                first(topK, file.topK(), file.doSample() ? TOP_K_OF_FILES : 0),
                first(topP, file.topP(), 1.0),
                first(minP, file.minP(), 0.0),
                penalty);
    }

    private void refuseWithoutSampling() {
        List<String> given = new ArrayList<>();
        if (topK != null) {
            given.add("top_k");
        }
        if (topP != null) {
            given.add("top_p");
        }
        if (minP != null) {
            given.add("min_p");
        }
        if (!given.isEmpty()) {
            throw new Dpo4jException(String.join(", ", given)
                    + " has no effect: without sampling, the token with the maximum logit is chosen; it must be left out,"
                    + " or temperature must be set to a number above 0");
        }
    }

    /** A notice for standard error if {@code generation_config.json} turns sampling on; else null. */
    private @Nullable String notice(GenerationDefaults file) {
        return temperature == null && temperature(file) != 0
                ? "generation_config.json sets do_sample, so tokens are sampled; --temperature 0 turns it off"
                : null;
    }

    private static String origin(@Nullable Integer given, @Nullable Integer ofFile) {
        return given == null && ofFile != null ? " in " + GenerationDefaults.FILE : "";
    }

    private static int first(@Nullable Integer given, @Nullable Integer ofFile, int otherwise) {
        return given != null ? given : ofFile != null ? ofFile : otherwise;
    }

    private static double first(@Nullable Double given, @Nullable Double ofFile, double otherwise) {
        return given != null ? given : ofFile != null ? ofFile : otherwise;
    }
}
