package org.dpo4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.dpo4j.conformance.Tally.End;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Counts of tests of one process and of several processes. */
class TallyTest {
    @TempDir
    Path folder;

    private static Tally tally() {
        Tally tally = new Tally();
        tally.add("emulated F32", End.PASSED);
        tally.add("emulated BF16", End.PASSED);
        tally.add("emulated F32", End.FAILED);
        tally.add("refusesByName()", End.PASSED);
        tally.add("emulated F32", End.SKIPPED);
        tally.skip("ATest > a(On) > emulated F32", "needs\ta GPU\nof its own");
        tally.describe(Map.of("emulated", "CUDA emulated"));
        return tally;
    }

    @Test
    void aLineForEachDeviceAndEachTestThatWasSkipped() {
        assertThat(tally().lines("emulated"))
                .containsExactly(
                        "emulated: 2 passed, 1 failed, 1 skipped on CUDA emulated",
                        "no device: 1 passed, 0 failed, 0 skipped",
                        "nothing ran on cpu, cpu-avx2, cpu-portable, cuda: dpo4j.test.devices is emulated",
                        "skipped: ATest > a(On) > emulated F32: needs a GPU of its own");
    }

    @Test
    void processesAreAddedUp() throws IOException {
        tally().append(folder);
        tally().append(folder); // a process appends once per test class
        Files.move(folder.resolve(ProcessHandle.current().pid() + ".txt"), folder.resolve("0.txt"));
        Tally other = new Tally();
        other.add("cpu F32", End.PASSED);
        other.append(folder);
        assertThat(Tally.read(folder).lines("not given"))
                .containsExactly(
                        "cpu: 1 passed, 0 failed, 0 skipped",
                        "emulated: 4 passed, 2 failed, 2 skipped on CUDA emulated",
                        "no device: 2 passed, 0 failed, 0 skipped",
                        "nothing ran on cpu-avx2, cpu-portable, cuda: dpo4j.test.devices is not given",
                        "skipped: ATest > a(On) > emulated F32: needs a GPU of its own",
                        "skipped: ATest > a(On) > emulated F32: needs a GPU of its own");
    }

    @Test
    void nothingRanWhereThereIsNoDirectory() throws IOException {
        assertThat(Tally.read(folder.resolve("none")).lines("not given"))
                .containsExactly(
                        "nothing ran on cpu, cpu-avx2, cpu-portable, emulated, cuda: dpo4j.test.devices is not given");
    }
}
