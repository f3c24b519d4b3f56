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

/** {@code verify} and {@code conformance}, with a Java, a dpo4j and a compute-sanitizer that are scripts of a few lines. */
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

    /** Says so, and does not run what it is given; `$2` is the tool. */
    private Path sanitizer(String then) throws IOException {
        return scripts.write("sanitizer/compute-sanitizer", "echo \"$@\" >>" + folder.resolve("asked") + "\n" + then);
    }

    private Run run(String script, String... arguments) throws Exception {
        List<String> command =
                new ArrayList<>(List.of("sh", folder.resolve(script).toString()));
        command.addAll(List.of(arguments));
        return Scripts.run(Map.of(), command.toArray(String[]::new));
    }

    @Test
    void runsEveryClassTestByTest() throws Exception {
        Run run = run("verify");
        assertThat(run.exit()).isZero();
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
    void stopsAfterDoctorWhereTheDeviceCannotBeUsed() throws Exception {
        dpo4j(1);
        Run run = run("verify");
        assertThat(run.exit()).isEqualTo(1);
        assertThat(run.last()).startsWith("== verify: STOPPED, since cuda cannot be used; doctor says why");
        assertThat(folder.resolve("java")).doesNotExist();
    }

    @Test
    void keepsLogsAndStillSaysThemAloud() throws Exception {
        java("echo 'AttentionTest > one :: FAILED'; exit 1");
        Path logs = folder.resolve("logs/of today");
        Run run = run("verify", "--device", "cpu", "--output", logs.toString(), "AttentionTest");
        assertThat(run.exit()).isEqualTo(1);
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
    void aClassThatIsNotThereIsRefused() throws Exception {
        Run run = run("conformance", "RoppeTest");
        assertThat(run.exit()).isEqualTo(2);
        assertThat(run.last()).isEqualTo("conformance: no class is called RoppeTest: ./conformance --list names them");
    }

    @Test
    void memcheckRunsTheSmallTestsOfTheClassesThatAreNamed() throws Exception {
        Path tool = sanitizer(CLEAN);
        Run run = run("conformance", "--tool", "memcheck", "--sanitizer", tool.toString(), "AttentionTest", "LeakTest");
        assertThat(run.exit()).isZero();
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

    /** Barriers are counted per block; a kernel that waits for ever is ended; what the tool cannot follow is left out. */
    @Test
    void racecheckIsToldOfBarriersAndLeavesHopperOut() throws Exception {
        sanitizer(CLEAN);
        Run run = run(
                "conformance",
                "--tool",
                "racecheck",
                "--sanitizer",
                folder.resolve("sanitizer").toString());
        assertThat(run.exit()).isZero();
        assertThat(run.last())
                .isEqualTo("== conformance: racecheck on cuda passed,"
                        + " RACECHECK SUMMARY: 0 hazards displayed (0 errors, 0 warnings)");
        assertThat(Files.readString(folder.resolve("asked")))
                .startsWith("--tool racecheck --num-cuda-barriers 64 --racecheck-deadlock-timeout 20000"
                        + " --kernel-name-exclude kns=sm90a --target-processes all --error-exitcode 99");
    }

    @Test
    void anErrorOfAToolFailsTheRun() throws Exception {
        Path tool = sanitizer(CLEAN + "exit 99");
        Run run = run("conformance", "--tool", "racecheck", "--sanitizer", tool.toString());
        assertThat(run.exit()).isEqualTo(99);
        assertThat(run.last()).contains("racecheck on cuda FAILED (exit 99)");
    }

    @Test
    void aToolWithoutASummaryHasNotLooked() throws Exception {
        Path tool = sanitizer("");
        Run run = run("conformance", "--tool", "memcheck", "--sanitizer", tool.toString());
        assertThat(run.exit()).isEqualTo(1);
        assertThat(run.last()).contains("memcheck on cuda FAILED (exit 1), no summary of memcheck");
    }

    @Test
    void whereThereIsNoToolItIsSaid() throws Exception {
        assumeFalse(Files.exists(Path.of("/usr/local/cuda/bin/compute-sanitizer")), "this machine has one");
        Run run = run("conformance", "--tool", "memcheck");
        assertThat(run.exit()).isEqualTo(2);
        assertThat(run.last()).startsWith("conformance: memcheck was NOT RUN: no compute-sanitizer on PATH");
    }

    @Test
    void aToolThatIsNoneIsRefused() throws Exception {
        Run run = run(
                "conformance",
                "--tool",
                "memcheck",
                "--sanitizer",
                folder.resolve("nothing").toString());
        assertThat(run.exit()).isEqualTo(2);
        assertThat(run.last()).contains("is no program: name compute-sanitizer or its directory");
    }

    /** Where sh is bash, a shift beyond the last argument is no error, and the script would read it for ever. */
    @Test
    void anOptionWithoutItsValueIsNamed() throws Exception {
        for (String option : List.of("--device", "--cuda", "--output")) {
            assertThat(run("verify", option)).isEqualTo(new Run(2, List.of("verify: " + option + " needs a value")));
        }
        for (String option : List.of("--device", "--cuda", "--tool", "--sanitizer")) {
            assertThat(run("conformance", option))
                    .isEqualTo(new Run(2, List.of("conformance: " + option + " needs a value")));
        }
        String scripts = Scripts.root().resolve("tests/bundle").toString();
        for (String option : List.of("--device", "--classes", "--benchmarks", "--memcheck")) {
            assertThat(Scripts.run(Map.of("OUT", folder.toString()), "bash", scripts + "/first", option))
                    .isEqualTo(new Run(2, List.of("first: " + option + " needs a value")));
        }
        assertThat(Scripts.run(Map.of(), "bash", scripts + "/bundle.sh", "--output"))
                .isEqualTo(new Run(2, List.of("dpo4j: bundle: --output needs a value")));
    }
}
