package org.dpo4j.bundle;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code verify} and its sanitizers, with a Java, a dpo4j and a compute-sanitizer that are scripts of a few lines. */
class VerifyTest {
    private static final String PASSED = "== verify: conformance on cuda passed; dpo on cuda passed";

    @TempDir
    Path folder;

    private record Run(int exit, String last) {}

    @BeforeEach
    void layOut() throws IOException {
        Path verify = Path.of(System.getenv("DPO4J_ROOT"), "tests/bundle/verify");
        Files.copy(verify, folder.resolve("verify"));
        script("runtime/bin/java", "exit 0");
        script("dpo4j", """
                while [ $# -gt 0 ]; do
                  [ "$1" != --output_dir ] || { mkdir -p "$2" && echo weights >"$2/model.safetensors"; }
                  shift
                done
                """);
        Files.createDirectories(folder.resolve("tests"));
        Files.createFile(folder.resolve("tests/dpo4j-tests-1.jar"));
    }

    private Path script(String name, String lines) throws IOException {
        Path file = folder.resolve(name);
        Files.createDirectories(file.getParent());
        Files.writeString(file, "#!/bin/sh\n" + lines + "\n");
        assertThat(file.toFile().setExecutable(true)).isTrue();
        return file;
    }

    /** Says so and runs what it is given; `$2` is the tool. */
    private Path sanitizer(String then) throws IOException {
        return script("sanitizer/compute-sanitizer", "echo \"$@\" >>" + folder.resolve("asked") + "\n" + then);
    }

    private static final String CLEAN = """
            case $2 in
              memcheck) echo '========= ERROR SUMMARY: 0 errors' ;;
              racecheck) echo '========= RACECHECK SUMMARY: 0 hazards displayed (0 errors, 0 warnings)' ;;
            esac
            """;

    private Run verify(String path, String... arguments) throws IOException, InterruptedException {
        List<String> command =
                new ArrayList<>(List.of("sh", folder.resolve("verify").toString()));
        command.addAll(List.of(arguments));
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        builder.environment().put("PATH", path + System.getenv("PATH"));
        Process process = builder.start();
        List<String> lines = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8)
                .lines()
                .toList();
        return new Run(process.waitFor(), lines.get(lines.size() - 1));
    }

    @Test
    void bothToolsRunTheSmallTests() throws Exception {
        sanitizer(CLEAN);
        Run run = verify(folder.resolve("sanitizer") + ":");
        assertThat(run.exit()).isZero();
        assertThat(run.last())
                .isEqualTo(PASSED + "; memcheck passed, ERROR SUMMARY: 0 errors; racecheck passed,"
                        + " RACECHECK SUMMARY: 0 hazards displayed (0 errors, 0 warnings)");
        List<String> asked = Files.readAllLines(folder.resolve("asked"));
        assertThat(asked).hasSize(2);
        assertThat(asked.get(0)).startsWith("--tool memcheck --target-processes all --error-exitcode 99");
        assertThat(asked.get(1))
                .startsWith("--tool racecheck --num-cuda-barriers 65536 --target-processes all --error-exitcode 99");
        assertThat(asked)
                .allSatisfy(each -> assertThat(each)
                        .contains("runtime/bin/java", "-Ddpo4j.test.devices=cuda", "--include-tag small"));
    }

    @Test
    void anErrorOfAToolFailsTheRun() throws Exception {
        Path tool = sanitizer(CLEAN + "[ $2 != racecheck ] || exit 99");
        Run run = verify("", "--sanitizer", tool.toString());
        assertThat(run.exit()).isEqualTo(1);
        assertThat(run.last()).contains("memcheck passed", "racecheck FAILED (exit 99)");
    }

    @Test
    void aToolWithoutASummaryHasNotLooked() throws Exception {
        sanitizer("");
        Run run = verify("", "--sanitizer", folder.resolve("sanitizer").toString());
        assertThat(run.exit()).isEqualTo(1);
        assertThat(run.last()).contains("memcheck FAILED (exit 1), no summary of memcheck");
    }

    @Test
    void whereThereIsNoToolItIsSaid() throws Exception {
        assumeFalse(Files.exists(Path.of("/usr/local/cuda/bin/compute-sanitizer")), "this machine has one");
        Run run = verify("");
        assertThat(run.exit()).isZero();
        assertThat(run.last()).startsWith(PASSED + "; memcheck and racecheck NOT RUN: no compute-sanitizer on PATH");
    }

    @Test
    void aToolThatIsNoneIsRefused() throws Exception {
        Run run = verify("", "--sanitizer", folder.resolve("nothing").toString());
        assertThat(run.exit()).isEqualTo(2);
        assertThat(run.last()).contains("is no program: name compute-sanitizer or its directory");
    }

    @Test
    void onTheCpuThereIsNothingToSanitize() throws Exception {
        sanitizer(CLEAN);
        Run run = verify(folder.resolve("sanitizer") + ":", "--device", "cpu");
        assertThat(run.exit()).isZero();
        assertThat(run.last()).isEqualTo("== verify: conformance on cpu passed; dpo on cpu passed");
    }
}
