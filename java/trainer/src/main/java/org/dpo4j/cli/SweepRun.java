package org.dpo4j.cli;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.dpo4j.io.Sha256;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.IDefaultValueProvider;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.TypeConversionException;

/**
 * A run of a sweep.
 *
 * @param trainer what it trains by
 * @param values of the options of the grid
 * @param directory its output directory
 * @param options all options that have a value, by name, except those of the output directory
 * @param words its command line
 */
record SweepRun(
        SweepTrainer trainer,
        Map<String, String> values,
        Path directory,
        Map<String, String> options,
        List<String> words) {
    /** Options that the sweep sets itself for each run. */
    static final Set<String> SET_BY_SWEEP = Set.of("output_dir", "overwrite_output_dir", "resume_from_checkpoint");

    private static final int MAX_NAME = 120;

    /**
     * Plans a run. Throws, naming the option, if one of its options is refused.
     *
     * @param common words of the options that all runs have
     * @param file values of a config file; null without one
     */
    static SweepRun plan(
            SweepTrainer trainer,
            Map<String, String> values,
            Path sweep,
            List<String> common,
            @Nullable IDefaultValueProvider file) {
        Path directory = sweep.resolve(name(values));
        List<String> words = new ArrayList<>(common);
        values.forEach((name, value) -> words.add("--" + name + "=" + value));
        words.add("--output_dir=" + directory);
        CommandLine line = parse(trainer, words, file);
        trainer.build(line.getCommandSpec().userObject());
        Map<String, String> options = new TreeMap<>();
        for (OptionSpec option : line.getCommandSpec().options()) {
            String name = OptionNames.normalised(option.longestName());
            Object value = option.getValue();
            if (value != null && !SET_BY_SWEEP.contains(name)) {
                options.put(name, value.toString());
            }
        }
        return new SweepRun(trainer, values, directory, options, words);
    }

    /** The same run with another value that its results depend on. */
    SweepRun with(String option, int value) {
        Map<String, String> more = new TreeMap<>(options);
        more.put(option, Integer.toString(value));
        return new SweepRun(trainer, values, directory, more, words);
    }

    /** What to train. {@code more}: words that say whether the run goes on or begins. */
    SweepTrainer.Training build(String more, @Nullable IDefaultValueProvider file) {
        List<String> all = new ArrayList<>(words);
        all.add(more);
        return trainer.build(parse(trainer, all, file).getCommandSpec().userObject());
    }

    private static CommandLine parse(SweepTrainer trainer, List<String> words, @Nullable IDefaultValueProvider file) {
        CommandLine line = new CommandLine(trainer.builder()).setExpandAtFiles(false);
        line.getCommandSpec().name(trainer.command());
        line.setInterpolateVariables(false);
        OptionTypes.register(line);
        if (file != null) {
            line.setDefaultValueProvider(file);
        }
        try {
            line.parseArgs(OptionNames.checked(words.toArray(String[]::new), line.getCommandSpec()));
            return line;
        } catch (ParameterException e) {
            if (e.getCause() instanceof TypeConversionException wanted && e.getArgSpec() instanceof OptionSpec option) {
                String name = OptionNames.normalised(option.longestName());
                throw new Dpo4jException(OptionTypes.conversion(name, String.valueOf(e.getValue()), wanted), e);
            }
            throw new Dpo4jException(
                    String.valueOf(e.getMessage()).lines().findFirst().orElse(""), e);
        }
    }

    /** {@code beta=0.05,learning_rate=1e-6}, without characters that a file name should not have. */
    private static String name(Map<String, String> values) {
        String exact = values.entrySet().stream()
                .map(value -> value.getKey() + "=" + value.getValue())
                .collect(Collectors.joining(","));
        String name = exact.replaceAll("[^A-Za-z0-9._=,+-]", "_");
        if (name.equals(exact) && name.length() <= MAX_NAME) {
            return name;
        }
        MessageDigest digest = Sha256.digest();
        digest.update(exact.getBytes(StandardCharsets.UTF_8));
        String hash = Sha256.hex(digest).substring(0, 8);
        return name.substring(0, Math.min(name.length(), MAX_NAME)) + "-" + hash;
    }

    /** The name of its directory. */
    String name() {
        return String.valueOf(directory.getFileName());
    }
}
