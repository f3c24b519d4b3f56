package org.dpo4j.bundle;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.dpo4j.bundle.Scripts.Run;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code verify} and {@code conformance}. Java, dpo4j and compute-sanitizer are replaced by scripts of a few lines. */
class VerifyTest {
    private static final String CLEAN = """
            case $2 in
              memcheck) echo '========= ERROR SUMMARY: 0 errors' ;;
              racecheck) echo '========= RACECHECK SUMMARY: 0 hazards displayed (0 errors, 0 warnings)' ;;
            esac
            """;

    @TempDir
    Path folder;

    private Scripts scripts;

    @BeforeEach
    void layOut() throws IOException {
        scripts = new Scripts(folder);
        scripts.copy("verify", "verify");
        scripts.copy("conformance", "conformance").toFile().setExecutable(true);
        java("echo 'Test run finished'");
        dpo4j(0);
        Files.createDirectories(folder.resolve("tests"));
        Files.writeString(
                folder.resolve("tests/classes"),
                "org.dpo4j.conformance.AttentionTest\norg.dpo4j.conformance.RopeTest\norg.dpo4j.kernels.LeakTest\n");
    }

    private void java(String then) throws IOException {
        scripts.write("runtime/bin/java", "echo \"$@\" >>" + folder.resolve("java") + "\n" + then);
    }

    private void dpo4j(int doctor) throws IOException {
        scripts.write("dpo4j", """
                [ "$1" != doctor ] || { echo "doctor $2 $3"; exit %d; }
                while [ $# -gt 0 ]; do
                  [ "$1" != --output_dir ] || { mkdir -p "$2" && echo weights >"$2/model.safetensors"; }
                  shift
                done
                echo trained
                """.formatted(doctor));
    }

    /** A compute-sanitizer that records its arguments and runs nothing; `$2` is the tool. */
    private Path sanitizer(String then) throws IOException {
        return scripts.write("sanitizer/compute-sanitizer", "echo \"$@\" >>" + folder.resolve("asked") + "\n" + then);
    }

    private Run run(String script, String... arguments) throws Exception {
        List<String> command =
                new ArrayList<>(List.of("sh", folder.resolve(script).toString()));
        command.addAll(List.of(arguments));
        return Scripts.run(Map.of(), command.toArray(String[]::new));
    }

    private Run tool(String name, Path sanitizer) throws Exception {
        return run("conformance", "--tool", name, "--sanitizer", sanitizer.toString());
    }

    @Test
    void everyClassIsRunTestByTest() throws Exception {
        Run run = run("verify");
        run.exits(0);
        assertThat(run.last()).isEqualTo("== verify: conformance on cuda passed; dpo on cuda passed");
        assertThat(run.lines()).contains("doctor --device cuda", "Test run finished", "trained");
        assertThat(Files.readString(folder.resolve("java")))
                .contains(
                        "-Ddpo4j.test.devices=cuda",
                        "--select-class org.dpo4j.conformance.AttentionTest"
                                + " --select-class org.dpo4j.conformance.RopeTest"
                                + " --select-class org.dpo4j.kernels.LeakTest",
                        "--details=testfeed --fail-if-no-tests");
    }

    @Test
    void anUnusableDeviceStopsItAfterDoctor() throws Exception {
        dpo4j(1);
        Run run = run("verify");
        run.exits(1);
        assertThat(run.last()).startsWith("== verify: STOPPED, since cuda cannot be used; doctor says why");
        assertThat(folder.resolve("java")).doesNotExist();
    }

    @Test
    void logsAreWrittenAndPrinted() throws Exception {
        java("echo 'AttentionTest > one :: FAILED'; exit 1");
        Path logs = folder.resolve("logs/of today");
        Run run = run("verify", "--device", "cpu", "--output", logs.toString(), "AttentionTest");
        run.exits(1);
        assertThat(run.last()).isEqualTo("== verify: conformance on cpu FAILED (exit 1); dpo on cpu passed");
        assertThat(run.lines()).contains("AttentionTest > one :: FAILED");
        assertThat(Files.readString(logs.resolve("doctor.log"))).isEqualTo("doctor --device cpu\n");
        assertThat(Files.readString(logs.resolve("conformance.log"))).isEqualTo("AttentionTest > one :: FAILED\n");
        assertThat(Files.readString(logs.resolve("dpo.log"))).isEqualTo("trained\n");
        assertThat(Files.readString(folder.resolve("java")))
                .contains("AttentionTest")
                .doesNotContain("RopeTest");
    }

    @Test
    void anUnknownClassIsRefused() throws Exception {
        Run run = run("conformance", "RoppeTest");
        run.exits(2);
        assertThat(run.last()).isEqualTo("conformance: no class is called RoppeTest: ./conformance --list names them");
    }

    @Test
    void memcheckRunsTheSmallTestsOfTheNamedClasses() throws Exception {
        Path tool = sanitizer(CLEAN);
        Run run = run("conformance", "--tool", "memcheck", "--sanitizer", tool.toString(), "AttentionTest", "LeakTest");
        run.exits(0);
        assertThat(run.last()).isEqualTo("== conformance: memcheck on cuda passed, ERROR SUMMARY: 0 errors");
        String asked = Files.readString(folder.resolve("asked"));
        assertThat(asked)
                .startsWith("--tool memcheck --target-processes all --error-exitcode 99 --report-api-errors no ")
                .contains(
                        "runtime/bin/java",
                        "-Ddpo4j.test.devices=cuda",
                        "--select-class org.dpo4j.conformance.AttentionTest --select-class org.dpo4j.kernels.LeakTest",
                        "--include-tag small")
                .doesNotContain("RopeTest");
    }

    /** The options: the number of barriers of a block, a time limit for kernels that hang, and kernels that the tool cannot check. */
    @Test
    void racecheckHasLimitsForBarriersAndSkipsHopperKernels() throws Exception {
        sanitizer(CLEAN);
        Run run = tool("racecheck", folder.resolve("sanitizer"));
        run.exits(0);
        assertThat(run.last())
                .isEqualTo("== conformance: racecheck on cuda passed,"
                        + " RACECHECK SUMMARY: 0 hazards displayed (0 errors, 0 warnings)");
        assertThat(Files.readString(folder.resolve("asked")))
                .startsWith("--tool racecheck --num-cuda-barriers 64 --racecheck-deadlock-timeout 20000"
                        + " --kernel-name-exclude kns=sm90a --target-processes all --error-exitcode 99");
    }

    @Test
    void anErrorOfAToolFailsTheRun() throws Exception {
        Run run = tool("racecheck", sanitizer(CLEAN + "exit 99"));
        run.exits(99);
        assertThat(run.last()).contains("racecheck on cuda FAILED (exit 99)");
    }

    @Test
    void aToolWithoutASummaryFailsTheRun() throws Exception {
        Run run = tool("memcheck", sanitizer(""));
        run.exits(1);
        assertThat(run.last()).contains("memcheck on cuda FAILED (exit 1), no summary of memcheck");
    }

    @Test
    void anAbsentToolIsNamed() throws Exception {
        assumeFalse(Files.exists(Path.of("/usr/local/cuda/bin/compute-sanitizer")), "this machine has one");
        Run run = run("conformance", "--tool", "memcheck");
        run.exits(2);
        assertThat(run.last()).startsWith("conformance: memcheck was NOT RUN: no compute-sanitizer on PATH");
    }

    @Test
    void aPathWithoutAToolIsRefused() throws Exception {
        Run run = tool("memcheck", folder.resolve("nothing"));
        run.exits(2);
        assertThat(run.last()).contains("is no program: name compute-sanitizer or its directory");
    }

    /** In bash a shift beyond the last argument is no error, so without this check the script would loop for ever. */
    @Test
    void anOptionWithoutItsValueIsNamed() throws Exception {
        for (String option : List.of("--device", "--cuda", "--output")) {
            assertThat(run("verify", option)).isEqualTo(new Run(2, List.of("verify: " + option + " needs a value")));
        }
        for (String option : List.of("--device", "--cuda", "--tool", "--sanitizer")) {
            assertThat(run("conformance", option))
                    .isEqualTo(new Run(2, List.of("conformance: " + option + " needs a value")));
        }
        String first = Scripts.script("first").toString();
        for (String option : List.of("--device", "--classes", "--benchmarks", "--memcheck")) {
            assertThat(Scripts.run(Map.of("OUT", folder.toString()), "bash", first, option))
                    .isEqualTo(new Run(2, List.of("first: " + option + " needs a value")));
        }
        assertThat(Scripts.run(Map.of(), "bash", Scripts.script("bundle.sh").toString(), "--output"))
                .isEqualTo(new Run(2, List.of("dpo4j: bundle: --output needs a value")));
    }
}
