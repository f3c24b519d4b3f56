package org.dpo4j.quickstart;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.dpo4j.io.FileErrors;
import org.dpo4j.io.OutputFile;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.report.GeneratedSample;
import org.dpo4j.report.Generations;
import org.dpo4j.report.html.ReportWriter;
import org.dpo4j.report.record.GenerationFiles;
import org.dpo4j.report.record.RecordedRun;

/** The files of an experiment. */
record ExperimentFiles(Path directory) {
    /** Samples in the report. */
    private static final int REPORTED = 8;

    private static final ObjectMapper JSON = new ObjectMapper();

    /** One review per row. */
    Path corpus() {
        return directory.resolve("corpus.jsonl");
    }

    /** A model with random weights, and its tokenizer. */
    Path untrained() {
        return directory.resolve("untrained");
    }

    /** The model trained on the corpus, which is the reference. */
    Path sft() {
        return directory.resolve("sft");
    }

    /** Pairs of reviews that the reference sampled, one pair per row; the better review is chosen. */
    Path pairs() {
        return directory.resolve("pairs.jsonl");
    }

    /** The model trained on the pairs. */
    Path dpo() {
        return directory.resolve("dpo");
    }

    /** One review of each model per row, as token ids and as text. */
    Path samples() {
        return directory.resolve("samples.jsonl");
    }

    Path readme() {
        return directory.resolve("README.md");
    }

    /** Creates the directory. Throws if it holds files that are not of an experiment. */
    void prepare() {
        try {
            OutputFile.makeDirectory(directory);
            try (var files = Files.list(directory)) {
                if (files.findAny().isPresent() && !Files.exists(corpus())) {
                    throw new Dpo4jException(
                            "output_dir " + directory + " holds other files; choose an empty or a new directory");
                }
            }
            OutputFile.makeDirectory(untrained());
        } catch (IOException e) {
            throw unwritable(directory, e);
        }
    }

    void writeCorpus(List<String> reviews) {
        writeRows(corpus(), reviews, review -> JSON.createObjectNode().put("text", review));
    }

    void writePairs(List<Pair> pairs) {
        writeRows(
                pairs(),
                pairs,
                pair -> JSON.createObjectNode()
                        .put("prompt", pair.chosen().prompt())
                        .put("chosen", " " + pair.chosen().completion())
                        .put("rejected", " " + pair.rejected().completion()));
    }

    /** Writes pairs in which the sample of {@link #dpo} is chosen and that of {@link #sft} rejected. */
    void writeSamples(Comparison comparison) {
        List<Pair> samples = new ArrayList<>();
        for (int i = 0; i < comparison.before().size(); i++) {
            samples.add(new Pair(comparison.after().get(i), comparison.before().get(i)));
        }
        writeRows(samples(), samples, pair -> {
            ObjectNode row = JSON.createObjectNode();
            row.set("prompt_ids", JSON.valueToTree(pair.chosen().promptIds()));
            row.set("chosen_ids", JSON.valueToTree(pair.chosen().completionIds()));
            row.set("rejected_ids", JSON.valueToTree(pair.rejected().completionIds()));
            return row.put("dpo", pair.chosen().text())
                    .put("sft", pair.rejected().text())
                    .put("dpo_sentiment", pair.chosen().sentiment())
                    .put("sft_sentiment", pair.rejected().sentiment());
        });
    }

    /** Adds samples of some held-out prompts to the record of the dpo run, and writes its report again. */
    void writeReport(Comparison comparison) {
        List<GeneratedSample> samples = new ArrayList<>();
        for (int i = 0; i < Math.min(REPORTED, comparison.before().size()); i++) {
            samples.add(new GeneratedSample(
                    i + 1,
                    comparison.before().get(i).prompt(),
                    continuation(comparison.after().get(i), comparison.logRatios()[2 * i]),
                    continuation(comparison.before().get(i), comparison.logRatios()[2 * i + 1])));
        }
        int step = RecordedRun.read(dpo()).lastStep();
        GenerationFiles.write(dpo(), new Generations(step, samples));
        ReportWriter.write(dpo());
    }

    private static GeneratedSample.Continuation continuation(Sample sample, double logRatio) {
        return new GeneratedSample.Continuation(sample.completion(), Commands.BETA * logRatio);
    }

    void write(Path file, String text) {
        OutputFile.write(file, text.getBytes(StandardCharsets.UTF_8));
    }

    private <T> void writeRows(Path file, List<T> rows, Function<T, ObjectNode> json) {
        StringBuilder lines = new StringBuilder();
        rows.forEach(row -> lines.append(json.apply(row)).append('\n'));
        write(file, lines.toString());
    }

    private static Dpo4jException unwritable(Path file, IOException e) {
        return new Dpo4jException(
                file + " cannot be written (" + FileErrors.reason(e) + "); choose another output_dir", e);
    }
}
