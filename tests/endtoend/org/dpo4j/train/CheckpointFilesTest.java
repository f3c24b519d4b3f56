package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dpo4j.model.RefusalAssertions.assertRefused;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.stream.Stream;
import org.dpo4j.data.TruncationMode;
import org.dpo4j.io.DirectoryFiles;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Which checkpoints a run writes and keeps, and which are refused. */
class CheckpointFilesTest extends CheckpointFixture {
    /** {@code out} with checkpoints after steps 4, 8 and 12. */
    private void trainWithCheckpoints() {
        train(options("out").saveStrategy(SaveStrategy.STEPS).saveSteps(4));
    }

    @Tag("large")
    @Test
    void theNewestCheckpointsAreKept() throws IOException {
        train(options("out").saveStrategy(SaveStrategy.STEPS).saveSteps(0.25).saveTotalLimit(2));
        assertThat(checkpoints("out")).containsExactly("checkpoint-12", "checkpoint-9");
        train(options("out").overwriteOutputDir(true).saveStrategy(SaveStrategy.EPOCH));
        assertThat(checkpoints("out"))
                .containsExactly(
                        "checkpoint-10",
                        "checkpoint-12",
                        "checkpoint-2",
                        "checkpoint-4",
                        "checkpoint-6",
                        "checkpoint-8");
    }

    private List<String> checkpoints(String output) throws IOException {
        try (Stream<Path> files = Files.list(directory.resolve(output))) {
            return files.filter(file -> file.getFileName().toString().startsWith("checkpoint-"))
                    .map(file -> file.getFileName().toString())
                    .sorted()
                    .toList();
        }
    }

    /** A checkpoint is a model with its tokenizer. */
    @Tag("large")
    @Test
    void aCheckpointIsAModel() throws IOException {
        trainWithCheckpoints();
        assertThat(directory.resolve("out/checkpoint-12/model.safetensors"))
                .hasSameBinaryContentAs(directory.resolve("out/model.safetensors"));
        assertThat(directory.resolve("out/checkpoint-8/additional_chat_templates/rag.jinja"))
                .hasContent("x");
        train(options("only").saveStrategy(SaveStrategy.STEPS).saveSteps(4).saveOnlyModel(true));
        assertThat(directory.resolve("only/checkpoint-4/optimizer.safetensors")).doesNotExist();
        assertRefused(
                () -> train(options("only").resumeFromCheckpoint("true")),
                "checkpoint-12 was written with save_only_model");
    }

    @Tag("large")
    @ParameterizedTest
    @ValueSource(strings = {"optimizer.safetensors", "model.safetensors", "trainer_state.json", "config.json"})
    void aDamagedCheckpointIsNamedAndTheOneBeforeItOffered(String file) throws IOException {
        trainWithCheckpoints();
        Path damaged = directory.resolve("out/checkpoint-12").resolve(file);
        byte[] bytes = Files.readAllBytes(damaged);
        bytes[bytes.length / 2] ^= 1;
        Files.write(damaged, bytes);
        assertRefused(
                () -> train(resumed()),
                damaged + " is not as it was written",
                "resume_from_checkpoint " + directory.resolve("out/checkpoint-8"));
        Files.write(damaged, Arrays.copyOf(bytes, bytes.length - 1));
        assertRefused(
                () -> train(resumed()), damaged + " has " + (bytes.length - 1) + " bytes, not the " + bytes.length);
        Files.delete(damaged);
        assertRefused(() -> train(resumed()), damaged + " is missing");
        Path manifest = directory.resolve("out/checkpoint-12/manifest.json");
        Files.write(manifest, Arrays.copyOf(Files.readAllBytes(manifest), 40));
        assertRefused(
                () -> train(resumed()),
                manifest
                        + " is damaged, so the files of the checkpoint cannot be checked; go on from the one before it");
        Files.writeString(manifest, "{\"format\": 1}");
        assertRefused(() -> train(resumed()), manifest + " is damaged");
        Files.delete(manifest);
        assertRefused(() -> train(resumed()), "checkpoint-12 has no manifest.json, so it was not written completely");
    }

    /** Then "true" names the newest checkpoint of this run, not a damaged or an older one with a larger step. */
    @Tag("large")
    @Test
    void laterCheckpointsAreDeletedWhenARunGoesOnFromAnEarlierOne() throws IOException {
        trainWithCheckpoints();
        Files.delete(directory.resolve("out/checkpoint-12/manifest.json"));
        Path first = directory.resolve("out/checkpoint-4");
        Recorder listener = new Recorder();
        DpoTrainer.train(options("other").resumeFromCheckpoint(first.toString()).build(), listener);
        assertThat(checkpoints("out")).hasSize(3);
        assertThat(listener.notices).noneMatch(line -> line.contains("deleted"));
        DpoTrainer.train(options("out").resumeFromCheckpoint(first.toString()).build(), listener);
        assertThat(listener.notices)
                .contains("deleted checkpoint-8, checkpoint-12, because the run went on from checkpoint-4");
        assertThat(checkpoints("out")).containsExactly("checkpoint-4");
        assertSame("out", "other");
    }

    @Tag("large")
    @Test
    void optionsAndRowsThatChangeTheWeightsMayNotChange() throws IOException {
        trainWithCheckpoints();
        assertRefused(
                () -> train(resumed().learningRate(0.5)), "learning_rate is 0.5 but was 0.01", "cannot change it");
        assertRefused(() -> train(resumed().seed(7)), "seed is 7 but was 42");
        assertRefused(() -> train(resumed().beta(0.3f)), "loss is ", "beta 0.3");
        List<String> rows = Files.readAllLines(directory.resolve("pairs.jsonl"));
        Collections.swap(rows, 1, 2);
        Files.write(directory.resolve("other.jsonl"), rows);
        assertRefused(
                () -> train(resumed().datasetName(directory.resolve("other.jsonl"))), "dataset_name has other rows");
        Recorder listener = new Recorder();
        DpoTrainer.train(
                resumed()
                        .maxSteps(14)
                        .loggingSteps(1)
                        .saveStrategy(SaveStrategy.STEPS)
                        .saveSteps(7)
                        .build(),
                listener);
        assertThat(listener.notices)
                .contains(
                        "the run has 14 steps, but the run of the checkpoint had 12: the learning rate goes on as linear"
                                + " over 14 steps, so the result is that of neither run");
        assertThat(lines("out")).last().asString().contains("\"step\":14");
        assertThat(checkpoints("out")).contains("checkpoint-14", "checkpoint-8");
    }

    /** An option that is left out is the same as its default, and cuda_graphs changes no bit. */
    @Tag("large")
    @Test
    void defaultsMayBeStated() throws IOException {
        trainWithCheckpoints();
        train(resumed()
                .outputDir(directory.resolve("stated"))
                .resumeFromCheckpoint(directory.resolve("out/checkpoint-4").toString())
                .maxLength(64)
                .truncationMode(TruncationMode.KEEP_START)
                .trainSamplingStrategy(SamplingStrategy.RANDOM)
                .neftuneNoiseAlpha(0)
                .modelRevision("main")
                .refModelRevision("main")
                .syncRefModel(false)
                .cudaGraphs(false));
        assertSame("stated", "out");
        assertRefused(() -> train(resumed().maxLength(32)), "max_length is 32 but was 64");
        assertRefused(
                () -> train(resumed().trainSamplingStrategy(SamplingStrategy.SEQUENTIAL)),
                "train_sampling_strategy is sequential but was random");
        assertRefused(() -> train(resumed().neftuneNoiseAlpha(5)), "neftune_noise_alpha is 5.0 but was not set");
    }

    /** The checkpoint of step 8 cannot be written: a file of the tokenizer is a link to nothing, until the question. */
    private class FailedCheckpoint extends Recorder {
        private final Path link = directory.resolve("model/vocab.txt");
        private final boolean isTriedAgain;

        FailedCheckpoint(boolean isTriedAgain) {
            this.isTriedAgain = isTriedAgain;
        }

        @Override
        public void progress(String phase, long done, long total) {
            try {
                if (phase.equals("training") && done == 7) {
                    Files.createSymbolicLink(link, directory.resolve("absent"));
                }
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        @Override
        public boolean isSaveTriedAgain(String why) {
            notices.add(why);
            try {
                Files.delete(link);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
            return isTriedAgain;
        }
    }

    private DpoOptions saving(OnFailedCheckpoint onFailed) {
        return options("out")
                .saveStrategy(SaveStrategy.STEPS)
                .saveSteps(4)
                .onFailedCheckpoint(onFailed)
                .build();
    }

    @Tag("large")
    @Test
    void aFailedCheckpointEndsTheRunUnlessTrainingIsToGoOn() throws IOException {
        train(options("never"));
        FailedCheckpoint stopped = new FailedCheckpoint(false);
        Path failed = directory.resolve("out/checkpoint-8");
        assertRefused(
                () -> DpoTrainer.train(saving(OnFailedCheckpoint.STOP), stopped),
                failed + " cannot be written (it does not exist)",
                "resume_from_checkpoint " + directory.resolve("out/checkpoint-4"),
                "on_failed_checkpoint continue");
        assertThat(stopped.notices).last().isEqualTo("saved the weights of step 8 in " + directory.resolve("out"));
        assertThat(checkpoints("out")).containsExactly("checkpoint-4");
        train(resumed());
        assertSame("out", "never");

        FailedCheckpoint unasked = new FailedCheckpoint(false);
        DirectoryFiles.deleteTree(directory.resolve("out"));
        DpoTrainer.train(saving(OnFailedCheckpoint.CONTINUE), unasked);
        assertThat(unasked.notices)
                .last()
                .asString()
                .startsWith(failed + " cannot")
                .contains("training goes on");
        assertThat(checkpoints("out")).containsExactly("checkpoint-12", "checkpoint-4");
        assertSame("out", "never");

        DirectoryFiles.deleteTree(directory.resolve("out"));
        DpoTrainer.train(saving(OnFailedCheckpoint.STOP), new FailedCheckpoint(true));
        assertThat(checkpoints("out")).containsExactly("checkpoint-12", "checkpoint-4", "checkpoint-8");
        assertSame("out", "never");
    }

    @Tag("large")
    @Test
    void whatCannotBeResumedIsRefused() {
        assertRefused(() -> train(resumed()), "output_dir " + directory.resolve("out") + " has no checkpoint");
        assertRefused(
                () -> train(options("out")
                        .resumeFromCheckpoint(directory.resolve("model").toString())),
                "model is not a directory checkpoint-STEP");
        trainWithCheckpoints();
        assertRefused(
                () -> train(options("out")), "holds checkpoint-12 of an earlier run", "resume_from_checkpoint true");
        Recorder listener = new Recorder();
        assertRefused(
                () -> DpoTrainer.train(resumed().maxSteps(11).build(), listener),
                "checkpoint-12 is beyond the run's 11 steps");
        assertThat(listener.notices).isEmpty();
        assertThat(listener.headers).isEmpty();
    }
}
