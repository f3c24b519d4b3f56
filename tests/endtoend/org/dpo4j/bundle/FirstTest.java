package org.dpo4j.bundle;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.dpo4j.bundle.Scripts.Run;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** {@code first} on an archive whose commands are scripts that hang, die of a signal, fail or find no device. */
@Timeout(120)
class FirstTest {
    @TempDir
    Path folder;

    private Scripts scripts;

    @BeforeEach
    void layOut() throws IOException {
        scripts = new Scripts(folder.resolve("packed"));
        scripts.write("dpo4j/dpo4j", "echo '{\"build\" : \"cuda=sm_90a\"}'");
        // `exec` keeps the process, so that its end can be waited for.
        scripts.write("dpo4j/conformance", """
                [ "$1" != --list ] || { printf 'org.dpo4j.conformance.%s\\n' RopeTest AttentionTest; exit; }
                for class; do :; done
                echo "runs $class with $*"
                case $class in
                  HangTest) trap '' TERM; exec sleep 1000 ;;
                  FaultTest) kill -SEGV $$ ;;
                  WrongTest) echo 'expected 1 but was 2'; exit 1 ;;
                esac
                """);
        scripts.write("dpo4j/bench", """
                echo "$@"
                while [ $# -gt 0 ]; do
                  case $1 in --only) only=$2 ;; --output) output=$2 ;; --skip-done) done=$2 ;; esac
                  shift
                done
                mkdir -p "$output"; echo '{}' >"$output/cuda.json"
                case $only$done in fault) exit 3 ;; stuck) exit 4 ;; wrong) exit 1 ;; esac
                echo "bench: 4 measured, 1 not run, 0 failed; wrote $output/cuda.json"
                """);
    }

    /** Runs it with these options, each as {@code --name=value}. */
    private Run first(Map<String, String> more, String... options) throws Exception {
        Path archive = folder.resolve("dpo4j.tar");
        Scripts.run(Map.of(), "tar", "-C", scripts.folder().toString(), "-cf", archive.toString(), "dpo4j");
        Map<String, String> environment = new HashMap<>(Map.of(
                "OUT", out().toString(),
                "WORK", folder.resolve("work").toString(),
                "CLASS_LIMIT", "2",
                "KILL_AFTER", "0.2",
                "POLL", "0.02",
                "JOBS", "2"));
        environment.putAll(more);
        List<String> command =
                new ArrayList<>(List.of("bash", Scripts.script("first").toString(), archive.toString()));
        Arrays.stream(options).flatMap(option -> Stream.of(option.split("="))).forEach(command::add);
        return Scripts.run(environment, command.toArray(String[]::new));
    }

    private Path out() {
        return folder.resolve("out");
    }

    /** Verdicts of steps.txt by the name of the step. */
    private Map<String, String> steps() throws IOException {
        Map<String, String> steps = new HashMap<>();
        for (String line : Files.readAllLines(out().resolve("steps.txt"))) {
            var matcher =
                    Pattern.compile(" *\\d+ s  (\\S+) +(.*?)(, \\d+ s.*)?").matcher(line);
            assertThat(matcher.matches()).as(line).isTrue();
            steps.put(matcher.group(1), matcher.group(2));
        }
        return steps;
    }

    private List<String> logs() throws Exception {
        return Scripts.run(Map.of(), "tar", "-tzf", out().resolve("all.tar.gz").toString())
                .lines();
    }

    @Test
    void aStepThatHangsFaultsOrFailsDoesNotEndTheOthers() throws Exception {
        Run run = first(
                Map.of(),
                "--classes=HangTest,RopeTest,FaultTest,WrongTest,AttentionTest",
                "--benchmarks=wrong:5,copy+write:5",
                "--memcheck=RopeTest");
        run.exits(1);
        assertThat(steps())
                .containsEntry("unpack", "passed")
                .containsEntry("machine", "passed")
                .containsEntry("doctor", "passed")
                .containsEntry("conformance.HangTest", "HUNG: no end after 2 s")
                .containsEntry("conformance.RopeTest", "passed")
                .containsEntry("conformance.FaultTest", "FAILED (exit 139)")
                .containsEntry("conformance.WrongTest", "FAILED (exit 1)")
                .containsEntry("conformance.AttentionTest", "passed")
                .containsEntry("bench.wrong", "FAILED (exit 1)")
                .containsEntry("bench.copy.write", "passed")
                .containsEntry("memcheck.RopeTest", "passed")
                .hasSize(11);
        assertThat(Files.readString(out().resolve("steps.txt")))
                .containsPattern("bench.copy.write +passed, \\d+ s; 4 measured, 1 not run, 0 failed");
        assertThat(Files.readString(out().resolve("summary.txt")))
                .startsWith("first: 11 steps on cuda, 4 did not pass")
                .contains("runs WrongTest with --device cuda WrongTest\nexpected 1 but was 2")
                .doesNotContain("runs RopeTest");
        assertThat(run.lines()).contains("first: 11 steps on cuda, 4 did not pass");
        assertThat(logs()).contains("logs/conformance.HangTest.log", "results/copy.write/cuda.json");
        try (Stream<Path> files = Files.list(out())) {
            assertThat(files.map(file -> file.getFileName().toString()))
                    .containsExactlyInAnyOrder("steps.txt", "summary.txt", "doctor.json", "all.tar.gz");
        }
    }

    /** A new process runs the rest of a group, and skips benchmarks that are done. */
    @Test
    void benchmarksGoOnAfterAFaultAndAfterAHang() throws Exception {
        Run run = first(Map.of(), "--classes=none", "--memcheck=none", "--benchmarks=fault:5,stuck:5");
        run.exits(1);
        assertThat(steps())
                .containsEntry("bench.fault", "FAILED (exit 3)")
                .containsEntry("bench.fault.2", "passed")
                .containsEntry("bench.stuck", "FAILED (exit 4)")
                .containsEntry("bench.stuck.2", "passed");
        Run log = Scripts.run(
                Map.of(), "tar", "-xzOf", out().resolve("all.tar.gz").toString(), "logs/bench.fault.2.log");
        assertThat(log.lines().get(0)).endsWith("--skip-done " + folder.resolve("work/results/fault/cuda.json"));
    }

    /** Two groups of 60 s have about 33 of 40 s, so the first gets about 15. It ends at once, so the second gets the rest. */
    @Test
    void groupsShareTheTimeThatIsLeft() throws Exception {
        Map<String, String> limits = Map.of("LIMIT", "40", "GRACE", "2", "BENCH_TAIL", "4", "START", "1");
        first(limits, "--classes=none", "--memcheck=none", "--benchmarks=copy:60,write:60")
                .exits(0);
        assertThat(seconds("copy")).isBetween(10, 16);
        assertThat(seconds("write")).isBetween(20, 33);
    }

    /** The time that a group got. */
    private int seconds(String group) throws Exception {
        Run log = Scripts.run(
                Map.of(), "tar", "-xzOf", out().resolve("all.tar.gz").toString(), "logs/bench." + group + ".log");
        return Integer.parseInt(log.lines().get(0).replaceFirst(".*--seconds (\\d+) .*", "$1"));
    }

    @Test
    void theLastLineSaysThatAllStepsPassed() throws Exception {
        Run run = first(Map.of(), "--benchmarks=copy:5", "--memcheck=none");
        run.exits(0);
        assertThat(run.last()).isEqualTo("first: 6 steps on cuda, 0 did not pass");
        List<String> steps = Files.readAllLines(out().resolve("steps.txt"));
        assertThat(steps.stream().filter(line -> line.contains("conformance."))).hasSize(2);
    }

    @Test
    void withoutADeviceNoTestIsRun() throws Exception {
        scripts.write("dpo4j/dpo4j", """
                case $* in *cuda*) echo 'cuda not usable: this build has no CUDA kernels'; exit 1 ;; *) echo '{}' ;; esac
                """);
        Run run = first(Map.of());
        run.exits(1);
        assertThat(steps()).containsEntry("doctor", "FAILED (exit 1)").hasSize(3);
        assertThat(run.last()).isEqualTo("cuda not usable: this build has no CUDA kernels");
    }

    /**
     * The run ends before its limit of 8 s. Classes get two fifths of it, 3 s, which HangTest uses up. Then 8 - 3 - 4 s
     * are left for a step, less than the 2 s for which one is begun, and even less for a benchmark.
     */
    @Test
    void stepsForWhichThereIsNoTimeAreNamed() throws Exception {
        long began = System.nanoTime();
        Run run = first(
                Map.of("LIMIT", "8", "CLASS_LIMIT", "90", "JOBS", "1", "GRACE", "4", "BENCH_TAIL", "4", "WORTH", "2"),
                "--classes=HangTest,RopeTest",
                "--benchmarks=copy:60",
                "--memcheck=RopeTest");
        run.exits(1);
        assertThat((System.nanoTime() - began) * 1e-9).isLessThan(8);
        assertThat(steps())
                .containsEntry("conformance.RopeTest", "NOT RUN: no time is left")
                .containsEntry("bench.copy", "NOT RUN: no time is left");
    }

    @Test
    void anAbsentArchiveIsRefused() throws Exception {
        Run run = Scripts.run(
                Map.of("OUT", out().toString()), "bash", Scripts.script("first").toString(), "nothing.tar.xz");
        run.exits(2);
        assertThat(run.last())
                .isEqualTo("first: name the archive that ./dpo4j bundle wrote: 'nothing.tar.xz' is no file");
    }
}
