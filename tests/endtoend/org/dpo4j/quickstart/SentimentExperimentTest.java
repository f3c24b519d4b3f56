package org.dpo4j.quickstart;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dpo4j.model.RefusalAssertions.assertRefused;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.dpo4j.data.Tokenizer;
import org.dpo4j.train.DpoOptions;
import org.dpo4j.train.SftOptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/** The quickstart's experiment with a model of a few thousand parameters. It runs every step, but learns almost nothing. */
class SentimentExperimentTest {
    private static final Size TINY = new Size(64, 32, 1, 1, 12, 2, 6);

    @TempDir
    private Path directory;

    @Test
    void everyRunWritesTheSameFilesAndNumbers() throws IOException {
        Comparison one = run("one");
        Comparison other = run("other");
        assertThat(other.scores()).isEqualTo(one.scores());
        for (String file : List.of("corpus.jsonl", "pairs.jsonl", "samples.jsonl", "dpo/model.safetensors")) {
            assertThat(directory.resolve("other").resolve(file))
                    .hasSameBinaryContentAs(directory.resolve("one").resolve(file));
        }
        for (String model : List.of("untrained", "sft", "dpo")) {
            for (String file : List.of("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")) {
                assertThat(directory.resolve("one").resolve(model).resolve(file))
                        .isNotEmptyFile();
            }
        }
        assertThat(Files.readAllLines(directory.resolve("one/samples.jsonl"))).hasSize(TINY.heldOut());
        assertThat(one.before()).hasSameSizeAs(one.after());
        assertThat(one.kl()).isFinite();
        // samples of both models are shown side by side
        assertThat(one.toString())
                .contains("before: sft", "after: dpo", one.before().get(0).prompt());
    }

    @Test
    void theReadmeListsTheCommandsThatRan() throws IOException {
        run("out");
        String readme = Files.readString(directory.resolve("out/README.md"));
        Commands commands = new Commands(new ExperimentFiles(directory.resolve("out")), "cpu", 1, TINY);
        assertThat(readme)
                .contains(Commands.line("sft", commands.sft()))
                .contains(Commands.line("dpo", commands.dpo()))
                .contains("./dpo4j generate", "./dpo4j logps");
        // the commands accept these words
        CommandLine.populateCommand(SftOptions.builder(), commands.sft().toArray(String[]::new))
                .build();
        CommandLine.populateCommand(DpoOptions.builder(), commands.dpo().toArray(String[]::new))
                .build();
        assertThat(Commands.line("generate", List.of("--prompt", "two words")))
                .isEqualTo("./dpo4j generate --prompt 'two words'");
    }

    @Test
    void theTokenizerReadsBackWhatItWrote() throws IOException {
        List<String> words = Reviews.vocabulary();
        WordTokenizer.write(directory, words, 128);
        try (Tokenizer tokenizer = Tokenizer.load(directory, WordTokenizer.size(words))) {
            assertThat(tokenizer.eosTokenId()).isEqualTo(WordTokenizer.END_ID);
            assertThat(tokenizer.bosTokenId()).isNull();
            Reviews reviews = new Reviews(4);
            for (int i = 0; i < 50; i++) {
                String review = reviews.next();
                int[] ids = tokenizer.encodeStart(review);
                assertThat(ids).hasSize(review.split(" ").length).doesNotContain(0);
                assertThat(tokenizer.decode(ids)).isEqualTo(review);
            }
        }
    }

    @Test
    void aDirectoryOfOtherFilesIsRefused() throws IOException {
        Files.createDirectories(directory.resolve("out"));
        Files.writeString(directory.resolve("out/thesis.tex"), "");
        assertRefused(() -> run("out"), "output_dir", "other files");
    }

    private Comparison run(String output) {
        return new SentimentExperiment(directory.resolve(output), "cpu", 1, TINY, metrics -> {}).run();
    }
}
