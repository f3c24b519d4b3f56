package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.dpo4j.model.RefusalAssertions.assertRefused;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Devices;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.Model;
import org.dpo4j.report.Metrics;
import org.dpo4j.report.MetricsLog;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The space that a save needs, and the lock of a directory. */
class OutputDirectoryTest {
    @TempDir
    private Path directory;

    private OutputDirectory prepare(String name) {
        TrainOptions options =
                TinyRun.options().outputDir(directory.resolve(name)).build().train();
        return OutputDirectory.prepare(options, metrics -> {});
    }

    /** Counts the blocks of the files of a save on the disk. */
    @Test
    void theSpaceOfTheFilesIsEnoughAndOneByteLessIsNot() throws IOException {
        Path tokenizer = Files.createDirectory(directory.resolve("tokenizer"));
        Files.writeString(tokenizer.resolve("tokenizer.json"), "x".repeat(5000));
        Files.writeString(tokenizer.resolve("merges.txt"), "y");
        try (Device device = Devices.cpu(1);
                Model model = TinyRun.model(device, DType.F32)) {
            long files;
            try (OutputDirectory output = prepare("out")) {
                output.save(model, tokenizer);
                files = blocks(directory.resolve("out"));
            }
            Files.delete(directory.resolve("out/model.safetensors"));
            long needed = files + 5 * 4096; // ten lines of metrics of up to 2048 bytes
            checkSpace(model, tokenizer, needed);
            assertRefused(
                    () -> checkSpace(model, tokenizer, needed - 1),
                    "output_dir " + directory.resolve("out") + " needs " + MemoryPlan.inUnits(needed),
                    "metrics 20.5 kB",
                    "free space, or choose an output_dir on another disk");
        }
    }

    /** The reserved file has as many blocks as the files of a save, which deletes it first. */
    @Test
    void theReservedFileIsAsLargeAsASave() throws IOException {
        Path tokenizer = Files.createDirectory(directory.resolve("tokenizer"));
        Files.writeString(tokenizer.resolve("tokenizer.json"), "x".repeat(5000));
        Path out = directory.resolve("out");
        try (Device device = Devices.cpu(1);
                Model model = TinyRun.model(device, DType.F32)) {
            try (OutputDirectory output = prepare("out")) {
                output.reserve(model, tokenizer);
            }
            assertThat(out).as("without a save").isEmptyDirectory();
            try (OutputDirectory output = prepare("out")) {
                output.reserve(model, tokenizer);
                long reserved = Files.size(out.resolve(".writing/reserved"));
                output.save(model, tokenizer);
                assertThat(out.resolve(".writing")).doesNotExist();
                assertThat(reserved).isEqualTo(blocks(out));
            }
        }
    }

    @Test
    void aDirectoryThatBecomesReadOnlyIsNotReportedAsFull() throws IOException {
        Path out = directory.resolve("out");
        try (Device device = Devices.cpu(1);
                Model model = TinyRun.model(device, DType.F32);
                OutputDirectory output = prepare("out")) {
            Files.setPosixFilePermissions(out, PosixFilePermissions.fromString("r-xr-xr-x"));
            try {
                assumeTrue(!Files.isWritable(out), "skipped: this user, root, may write anywhere");
                assertThatThrownBy(() -> output.save(model, directory))
                        .isInstanceOf(Dpo4jException.class)
                        .hasMessageContaining("(permission denied); make the directory writable for this user")
                        .hasMessageNotContaining("free");
            } finally {
                Files.setPosixFilePermissions(out, PosixFilePermissions.fromString("rwxr-xr-x"));
            }
        }
    }

    private void checkSpace(Model model, Path tokenizer, long free) {
        TrainOptions options =
                TinyRun.options().outputDir(directory.resolve("out")).build().train();
        try (OutputDirectory output = OutputDirectory.prepare(options, metrics -> {}, path -> free)) {
            output.checkSpace(model, tokenizer, 10, 0);
        }
    }

    private static long blocks(Path directory) throws IOException {
        long blocks = 0;
        try (Stream<Path> files = Files.list(directory)) {
            for (Path file : files.filter(file -> !file.endsWith(".lock")).toList()) {
                blocks += (Files.size(file) + 4095) / 4096;
            }
        }
        return 4096 * blocks;
    }

    /** The longest possible line has every name of an evaluation and the longest double. */
    @Test
    void theLongestLineOfMetricsHasRoom() throws IOException {
        Path file = directory.resolve("metrics.jsonl");
        Map<String, Double> values = new LinkedHashMap<>();
        List<String> names = new ArrayList<>(TinyRun.METRICS);
        names.addAll(List.of(
                "grad_norm",
                "learning_rate",
                "epoch",
                "num_tokens",
                "sequences_per_second",
                "lengths/margin_correlation"));
        for (String name : names) {
            values.put("eval_" + name, -2.2250738585072014E-308);
        }
        try (MetricsLog log = new MetricsLog(file, metrics -> {})) {
            log.write(new Metrics(Integer.MAX_VALUE, values));
        }
        assertThat(Files.size(file)).isLessThanOrEqualTo(MetricsLog.MAX_LINE_BYTES);
    }

    @Test
    void aDirectoryIsLockedUnderAllItsNames() throws IOException {
        Files.createDirectory(directory.resolve("real"));
        Files.createSymbolicLink(directory.resolve("out"), directory.resolve("real"));
        try (OutputDirectory first = prepare("out")) {
            assertThat(first).hasToString(directory.resolve("out").toString());
            for (int attempt = 0; attempt < 2; attempt++) {
                assertRefused(() -> prepare("real"), "real is in use by another run (this process)", "choose another");
            }
        }
        assertThat(directory.resolve("real")).isEmptyDirectory();
        assertThatCode(() -> prepare("real").close()).doesNotThrowAnyException();
    }

    /** A process that exits during a save abandons it. The thread that saves may close the directory after that. */
    @Test
    void anAbandonedSaveLeavesNoFiles() throws IOException {
        Path out = directory.resolve("out");
        try (OutputDirectory output = prepare("out")) {
            Files.createDirectories(out.resolve(".writing/more"));
            Files.writeString(out.resolve(".writing/more/model.safetensors"), "half");
            OutputDirectory.abandonAll();
            assertThat(out).isEmptyDirectory();
            try (OutputDirectory next = prepare("out")) {
                assertThat(next).hasToString(out.toString());
                output.close();
                assertThat(out.resolve(".lock")).as("lock of the next run").exists();
            }
        }
        assertThat(out).isEmptyDirectory();
    }

    /** A process that was killed after the model was complete, but before all its files had their names. */
    @Test
    void aCompleteSaveOfAKilledRunIsMovedIntoPlace() throws IOException {
        Path out = directory.resolve("out");
        try (Device device = Devices.cpu(1);
                Model model = TinyRun.model(device, DType.F32)) {
            model.save(out.resolve(".complete"), DType.F32);
        }
        byte[] weights = Files.readAllBytes(out.resolve(".complete/model.safetensors"));
        assertRefused(() -> prepare("out"), "out holds a model already; choose another");
        assertThat(out.resolve("model.safetensors")).hasBinaryContent(weights);
        assertThat(out.resolve(".complete")).doesNotExist();
    }

    /** A process that was killed leaves a file that is not locked, and half a model. */
    @Test
    void filesOfACrashedRunAreDeleted() throws IOException {
        Path out = Files.createDirectory(directory.resolve("out"));
        Files.writeString(out.resolve(".lock"), "4242");
        Files.createDirectories(out.resolve(".writing/more"));
        Files.writeString(out.resolve(".writing/more/model.safetensors"), "half");
        try (OutputDirectory output = prepare("out")) {
            assertThat(output).hasToString(out.toString());
            assertThat(out.resolve(".writing")).doesNotExist();
        }
        assertThat(out).isEmptyDirectory();
    }
}
