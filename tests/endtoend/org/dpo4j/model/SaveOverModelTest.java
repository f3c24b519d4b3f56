package org.dpo4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dpo4j.model.RefusalAssertions.assertRefused;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Devices;
import org.dpo4j.model.family.Llama;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A save in place of another model, completed or not, and with files that are links. */
class SaveOverModelTest {
    @TempDir
    private Path directory;

    private Device device;
    private Model old;
    private Model next;

    @BeforeEach
    void makeModels() {
        device = Devices.cpu(1);
        old = Model.create(Llama.config(37, 16, 24, 2, 2, 1, 64, false), device, DType.F32, 3);
        next = Model.create(Llama.config(37, 16, 24, 2, 2, 1, 64, false), device, DType.F32, 4);
    }

    @AfterEach
    void close() {
        old.close();
        next.close();
        device.close();
    }

    private static SaveFormat shards(String size) {
        return new SaveFormat(null, SaveFormat.parseSize(size));
    }

    private static List<String> names(Path directory) throws IOException {
        try (Stream<Path> files = Files.list(directory)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }

    private Map<String, List<Float>> loaded(Path from) {
        try (Model model = Model.load(from, device, DType.F32)) {
            return TestWeights.byName(model);
        }
    }

    /**
     * A kill between any two renames: the directory is the old model, the new one, or is refused for its absent weights.
     * Moving what is left gives the new model, without shards of the old one.
     */
    @ParameterizedTest
    @CsvSource({"1GB, 10KB", "10KB, 1GB", "10KB, 10KB", "6KB, 10KB"})
    void aMoveThatWasKilledIsCompleted(String first, String second) throws IOException {
        Path before = Files.createDirectory(directory.resolve("before"));
        Path after = Files.createDirectory(directory.resolve("after"));
        old.writeFiles(before, shards(first));
        next.writeFiles(after, shards(second));
        int steps = 0;
        while (isKilledAfter(steps, before, after)) {
            steps++;
        }
        assertThat(steps).isGreaterThan(4);
    }

    /** Returns whether there is a step after these. */
    private boolean isKilledAfter(int steps, Path before, Path after) throws IOException {
        Path to = copy(before, directory.resolve("killed-" + steps));
        Path from = copy(after, to.resolve(".complete"));
        Files.writeString(to.resolve("notes.txt"), "kept");
        List<CompleteModel.Step> all = CompleteModel.steps(from, to);
        for (CompleteModel.Step step : all.subList(0, steps)) {
            step.run();
        }
        if (CompleteModel.isIn(to)) {
            assertThat(loaded(to))
                    .as("after %d", steps)
                    .isIn(List.of(TestWeights.byName(old), TestWeights.byName(next)));
        } else {
            assertRefused(() -> loaded(to), "holds neither model.safetensors nor");
        }
        if (steps < all.size()) {
            CompleteModel.move(from, to);
        }
        assertThat(loaded(to)).isEqualTo(TestWeights.byName(next));
        List<String> expected = new ArrayList<>(names(after));
        expected.add("notes.txt");
        assertThat(names(to)).containsExactlyInAnyOrderElementsOf(expected);
        return steps < all.size();
    }

    private static Path copy(Path from, Path to) throws IOException {
        Files.createDirectory(to);
        for (String name : names(from)) {
            Files.copy(from.resolve(name), to.resolve(name));
        }
        return to;
    }

    /** As in the Hub's cache: snapshots/REVISION/FILE is a link to blobs/HASH. */
    @Test
    void linksAreReadAndNeverWrittenThrough() throws IOException {
        old.save(directory.resolve("made"), shards("6KB"));
        Path generation = directory.resolve("made/generation_config.json");
        String text = "{\"eos_token_id\" : [2],\n\t\"temperature\": 0.60}";
        Files.writeString(generation, text);
        Path blobs = Files.createDirectories(directory.resolve("models--a--b/blobs"));
        Path snapshot = Files.createDirectories(directory.resolve("models--a--b/snapshots/0123"));
        Map<String, byte[]> contents = new TreeMap<>();
        for (String name : names(directory.resolve("made"))) {
            String blob = Integer.toHexString(name.hashCode());
            contents.put(blob, Files.readAllBytes(directory.resolve("made").resolve(name)));
            Files.move(directory.resolve("made").resolve(name), blobs.resolve(blob));
            Files.createSymbolicLink(
                    snapshot.resolve(name), Path.of("../../blobs").resolve(blob));
        }
        assertThat(loaded(snapshot)).isEqualTo(TestWeights.byName(old));
        try (Model model = Model.load(snapshot, device, DType.F32)) {
            model.save(directory.resolve("copy"), SaveFormat.unchanged());
            assertThat(directory.resolve("copy/generation_config.json")).hasContent(text);
        }
        next.save(snapshot, shards("6KB")); // same names
        next.save(snapshot, shards("1GB")); // a name that is no link, and others that go
        assertThat(loaded(snapshot)).isEqualTo(TestWeights.byName(next));
        assertThat(names(blobs)).containsExactlyElementsOf(contents.keySet());
        for (Map.Entry<String, byte[]> blob : contents.entrySet()) {
            assertThat(blobs.resolve(blob.getKey())).hasBinaryContent(blob.getValue());
        }
    }

    /** The float16 range ends at 65504, and halfway to 65536 rounding gives infinity (IEEE 754). */
    @Test
    void aSaveThatFailsLeavesTheOldModel() throws IOException {
        Path saved = directory.resolve("saved");
        old.save(saved, shards("3KB"));
        List<String> names = names(saved);
        ParameterTensor last = next.parameters().tensor("model.norm.weight");
        float[] values = next.parameters().readWeights(last);
        values[5] = 65520;
        next.parameters().writeWeights(last, values);
        assertRefused(
                () -> next.save(saved, new SaveFormat(SavedDtype.FLOAT16, 3000)),
                "model.norm.weight is 65520.0 at [5]",
                "beyond 65504");
        assertThat(names(saved)).isEqualTo(names);
        assertThat(loaded(saved)).isEqualTo(TestWeights.byName(old));
    }
}
