package org.dpo4j.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dpo4j.data.TestData.ids;

import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import java.util.zip.CRC32;
import org.dpo4j.model.TestJvm;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Stores of 20,000 pairs of 500 tokens: 40 MB, in JVMs with a heap of 36 MB. */
class StoreProcessTest {
    private static final int PAIRS = 20_000;
    private static final int PROMPT = 100;
    private static final int COMPLETION = 200;

    @TempDir
    Path directory;

    private Path rows = Path.of("");
    private Path cache = Path.of("");
    private String expected = "";

    @BeforeEach
    void writeRows() throws IOException {
        cache = directory.resolve("cache");
        rows = directory.resolve("rows.jsonl");
        CRC32 checksum = new CRC32();
        try (BufferedWriter out = Files.newBufferedWriter(rows)) {
            for (int row = 1; row <= PAIRS; row++) {
                checksum.update(row);
                String prompt = repeated(row % 10, PROMPT, checksum);
                String chosen = repeated(row / 10 % 10, COMPLETION, checksum);
                out.write(ids(prompt, chosen, repeated((row / 10 + 1) % 10, COMPLETION, checksum)));
                out.newLine();
            }
        }
        expected = PAIRS + " rows, checksum " + checksum.getValue();
    }

    private static String repeated(int id, int count, CRC32 checksum) {
        byte[] ids = new byte[count];
        Arrays.fill(ids, (byte) id);
        checksum.update(ids);
        return "[" + (id + ",").repeat(count - 1) + id + "]";
    }

    private Process start(String... before) throws IOException {
        List<String> command = TestJvm.command(StoreProcess.class.getName(), rows.toString(), cache.toString());
        command.add(1, "-Xmx36m");
        command.addAll(0, List.of(before));
        return new ProcessBuilder(command).redirectErrorStream(true).start();
    }

    private static String output(Process process) throws IOException, InterruptedException {
        String printed = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        process.waitFor();
        return printed.strip();
    }

    private List<String> files(String end) throws IOException {
        if (!Files.exists(cache)) {
            return List.of();
        }
        try (Stream<Path> files = Files.list(cache)) {
            return files.map(file -> file.getFileName().toString())
                    .filter(name -> name.endsWith(end))
                    .toList();
        }
    }

    @Test
    void killedProcessesAndProcessesAtOnceLeaveOneStore() throws IOException, InterruptedException {
        Process killed = start();
        while (files(".writing").isEmpty() && killed.isAlive()) {
            Thread.sleep(5);
        }
        killed.destroyForcibly().waitFor();
        assertThat(files(".writing")).hasSize(1);
        assertThat(files(".rows")).isEmpty();

        Process first = start();
        Process second = start();
        assertThat(output(first)).isEqualTo(expected);
        assertThat(output(second)).isEqualTo(expected);
        assertThat(files("")).hasSize(1);
        assertThat(files(".rows")).hasSize(1);
        assertThat(Files.size(cache.resolve(files(".rows").get(0)))).isGreaterThan(PAIRS * 500L * Integer.BYTES);
    }

    /** As on a full disk, a write fails: here a file may have 20 MB at most, or half of it if blocks of ulimit have 512 bytes. */
    @Test
    void aWriteThatFailsSaysWhatToDo() throws IOException, InterruptedException {
        Process failed = start("sh", "-c", "ulimit -f 20000 && exec \"$@\"", "sh");
        assertThat(output(failed))
                .containsPattern(
                        "the token store in " + cache + " cannot be written \\(File too large, after [0-9]+ MB\\);"
                                + " free space, or name a directory on another disk with dataset_cache_dir");
        assertThat(cache).isEmptyDirectory();
    }
}
