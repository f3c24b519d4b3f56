package org.dpo4j.bundle;

import static org.assertj.core.api.Assertions.assertThat;

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

/** {@code ./dpo4j bundle} on a build of a few empty files. The runtime of its JDK prints the architectures of the library. */
class BundleTest {
    @TempDir
    Path root;

    private Scripts scripts;

    @BeforeEach
    void layOut() throws IOException {
        scripts = new Scripts(root);
        for (String name : List.of("bundle.sh", "write.sh", "dpo4j", "verify", "conformance", "bench", "pairs.jsonl")) {
            scripts.copy(name, "tests/bundle/" + name);
        }
        scripts.write("mvnw", "mkdir -p tests/target/bundle && touch tests/target/bundle/dpo4j-tests-1.jar");
        // Every library contains this text, with kernels and without.
        file("java/kernels/target/cmake/libdpo4j.so", "code for sm_90a, use a matrix product");
        file("java/trainer/target/lib/some.jar", "");
        file("java/trainer/target/dpo4j-trainer-1.jar", "");
        file("bench/device/target/dpo4j-bench-device-1.jar", "");
        file("bench/peers/gpu.py", "");
        file("tests/golden/llama-tiny/config.json", "{}");
        file("tests/conformance/org/dpo4j/conformance/RopeTest.java", "class RopeTest");
        file("tests/kernels/org/dpo4j/kernels/LeakTest.java", "class LeakTest");
        file("tests/endtoend/org/dpo4j/train/StepGraphsTest.java", "class StepGraphsTest");
        file("tests/conformance/org/dpo4j/conformance/LargeTest.java", "@Tag(\"long\")\nclass LargeTest");
        scripts.write("jdk/bin/jar", """
                [ "$1" != tf ] || printf 'org/dpo4j/%s.class\\n' conformance/RopeTest 'conformance/RopeTest$Case' conformance/LargeTest \
                  conformance/Tensors kernels/LeakTest kernels/DevicesTest train/StepGraphsTest
                """);
        // The test does not need compression, and the machine may lack xz.
        scripts.write("path/xz", "cat");
        builtFor("none");
    }

    private void file(String name, String content) throws IOException {
        Path file = root.resolve(name);
        Files.createDirectories(file.getParent());
        Files.writeString(file, content);
    }

    /** The runtime that jlink makes is one script, doctor's JSON. */
    private void builtFor(String architectures) throws IOException {
        scripts.write("jdk/bin/jlink", """
                while [ "$1" != --output ]; do shift; done
                mkdir -p "$2/bin"
                cat >"$2/bin/java" <<'END'
                #!/bin/sh
                echo '{'
                echo '  "version" : "1",'
                echo '  "build" : "version=1 compiler=g++-12 cuda=%s emulated=0",'
                echo '}'
                END
                chmod +x "$2/bin/java"
                """.formatted(architectures));
    }

    private Run bundle(String... more) throws Exception {
        List<String> command = new ArrayList<>(List.of(
                "bash",
                root.resolve("tests/bundle/bundle.sh").toString(),
                "--output",
                root.resolve("new/out.tar.xz").toString()));
        command.addAll(List.of(more));
        return Scripts.run(
                Map.of(
                        "PATH",
                        root.resolve("path") + ":" + System.getenv("PATH"),
                        "JAVA_HOME",
                        root.resolve("jdk").toString()),
                command.toArray(String[]::new));
    }

    @Test
    void aBuildWithoutKernelsIsRefused() throws Exception {
        Run run = bundle();
        run.exits(1);
        assertThat(run.last()).startsWith("dpo4j: bundle: this build has no CUDA kernels: put nvcc on PATH, or run");
        assertThat(root.resolve("new/out.tar.xz")).doesNotExist();
    }

    @Test
    void anEmulatedBuildIsRefusedToo() throws Exception {
        builtFor("emulated");
        bundle().exits(1);
    }

    @Test
    void aBuildWithKernelsIsPackedAndItsArchitecturesArePrinted() throws Exception {
        builtFor("sm_80,sm_90a");
        Run run = bundle();
        run.exits(0);
        assertThat(run.lines())
                .contains("dpo4j: bundle: CUDA kernels for sm_80,sm_90a;"
                        + " build: version=1 compiler=g++-12 cuda=sm_80,sm_90a emulated=0");
        Run list = Scripts.run(
                Map.of(), "tar", "-xOf", root.resolve("new/out.tar.xz").toString(), "dpo4j/tests/classes");
        assertThat(list.lines())
                .as("classes of the device whose tests are not all long")
                .containsExactly(
                        "org.dpo4j.conformance.RopeTest",
                        "org.dpo4j.kernels.LeakTest",
                        "org.dpo4j.train.StepGraphsTest");
    }

    @Test
    void cpuOnlyPacksABuildWithoutKernels() throws Exception {
        Run run = bundle("--cpu-only");
        run.exits(0);
        assertThat(root.resolve("new/out.tar.xz")).isNotEmptyFile();
    }
}
