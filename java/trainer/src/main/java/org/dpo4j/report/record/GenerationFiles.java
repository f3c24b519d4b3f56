package org.dpo4j.report.record;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.dpo4j.io.DirectoryFiles;
import org.dpo4j.io.FileErrors;
import org.dpo4j.io.JsonFile;
import org.dpo4j.io.OutputFile;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.report.GeneratedSample;
import org.dpo4j.report.GeneratedSample.Continuation;
import org.dpo4j.report.Generations;
import org.jspecify.annotations.Nullable;

/**
 * The files {@code generations/step-STEP.jsonl} of a run: one line for each sample, with {@code row}, {@code prompt}, and
 * {@code policy} and {@code reference}, each with {@code text} and {@code reward}.
 */
public final class GenerationFiles {
    private static final String DIRECTORY = "generations";
    private static final Pattern NAME = Pattern.compile("step-(\\d{1,9})\\.jsonl");

    private GenerationFiles() {}

    /** Writes the samples of an evaluation into the directory of a run. */
    public static void write(Path run, Generations generations) {
        StringBuilder lines = new StringBuilder();
        for (GeneratedSample sample : generations.samples()) {
            ObjectNode line = JsonFile.object().put("row", sample.row()).put("prompt", sample.prompt());
            line.set("policy", json(sample.policy()));
            line.set("reference", json(sample.reference()));
            lines.append(line).append('\n');
        }
        Path directory = run.resolve(DIRECTORY);
        try {
            OutputFile.makeDirectory(directory);
        } catch (IOException e) {
            throw new Dpo4jException(directory + " cannot be made (" + FileErrors.reason(e) + "); free space", e);
        }
        Path file = directory.resolve("step-" + generations.step() + ".jsonl");
        OutputFile.write(file, lines.toString().getBytes(StandardCharsets.UTF_8));
    }

    /** Deletes the samples of an earlier run. */
    public static void delete(Path run) {
        Path directory = run.resolve(DIRECTORY);
        try {
            DirectoryFiles.deleteTree(directory);
        } catch (IOException e) {
            throw new Dpo4jException(
                    directory + " cannot be deleted (" + FileErrors.reason(e) + "); delete it by hand", e);
        }
    }

    private static ObjectNode json(Continuation continuation) {
        return JsonFile.object().put("text", continuation.text()).put("reward", continuation.reward());
    }

    /** The samples of the last step that has some. */
    static List<Sample> last(Path run) {
        Path directory = run.resolve(DIRECTORY);
        if (!Files.isDirectory(directory)) {
            return List.of();
        }
        try (Stream<Path> files = Files.list(directory)) {
            Optional<Path> newest =
                    files.filter(file -> step(file) >= 0).max(Comparator.comparingInt(GenerationFiles::step));
            return newest.isEmpty() ? List.of() : read(newest.get());
        } catch (IOException e) {
            throw new Dpo4jException(directory + " cannot be read (" + FileErrors.reason(e) + "); make it readable", e);
        }
    }

    private static int step(Path file) {
        Matcher name = NAME.matcher(file.getFileName().toString());
        return name.matches() ? Integer.parseInt(name.group(1)) : -1;
    }

    private static List<Sample> read(Path file) {
        List<Sample> samples = new ArrayList<>();
        JsonLines.read(
                file,
                line -> samples.add(new Sample(
                        line.path("prompt").asText(),
                        List.of(
                                answer("reference", line.path("reference")),
                                answer("policy, step " + step(file), line.path("policy"))))));
        return samples;
    }

    private static Sample.Answer answer(String source, JsonNode json) {
        @Nullable
        Double reward = json.path("reward").isNumber() ? json.path("reward").doubleValue() : null;
        return new Sample.Answer(source, json.path("text").asText(), reward);
    }
}
