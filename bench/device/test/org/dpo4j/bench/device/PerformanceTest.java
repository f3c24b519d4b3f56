package org.dpo4j.bench.device;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.dpo4j.kernels.Dpo4jException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Documents from results that were made up. */
class PerformanceTest {
    private static final String DOCUMENT = "# P\n<!-- tables -->\nold\n<!-- end tables -->\n";

    private static final String RUN = """
        {"date": "2026-12-01", "commit": "abc1234", "device": "cuda", "processor": "NVIDIA H100", "pace": "%s", "results": [
          {"benchmark": "token_logprob_forward", "parameters": {"rows": "8192"}, "p20_us": 130, "median_us": 131.5, "p80_us": 133},
          {"benchmark": "token_logprob_forward", "parameters": {"rows": "8192"}, "peer": "eager", "p20_us": 520, "median_us": 526,
           "p80_us": 530},
          {"benchmark": "adamw", "parameters": {"count": "8"}, "p20_us": 1, "median_us": 1, "p80_us": 1, "gate_failed": "out is 2, must be 1"}]}
        """;

    @TempDir
    Path folder;

    private String written(String file, String run) throws IOException {
        Files.writeString(folder.resolve(file), run);
        return Performance.written(DOCUMENT, folder);
    }

    /** A peer's time says whose it is; the time of a wrong result says so. */
    @Test
    void timesOfPeersAndOfWrongResultsAreMarked() throws IOException {
        assertThat(written("cuda-2026-12-01-abc1234.json", RUN.formatted("full")))
                .contains("`bench/results/cuda-2026-12-01-abc1234.json`: NVIDIA H100")
                .contains("| token_logprob_forward | rows 8192 | 131.5 us (130.0 us to 133.0 us) |")
                .contains("| token_logprob_forward by eager | rows 8192 | 526.0 us (520.0 us to 530.0 us) |")
                .contains("| adamw (gate failed: the result is wrong) | count 8 | 1.0 us (1.0 us to 1.0 us) |")
                .doesNotContain("old");
    }

    @Test
    void aLookIsNoMeasurement() {
        assertThatThrownBy(() -> written("emulated-2026-12-01-abc1234.json", RUN.formatted("look")))
                .isInstanceOf(Dpo4jException.class)
                .hasMessageContaining("emulated-2026-12-01-abc1234.json is a look at tiny sizes");
    }

    /** Ratios by hand: 75 / 6, 48 / 6, 312 / 1560. */
    @Test
    void wholeRunsStandBesideThePeersWithItsVersion() throws IOException {
        String row =
                "{\"benchmark\": \"DpoRun.%s\", \"parameters\": {\"pairs\": \"64\"}, \"steps_pairs_per_second\": %s,"
                        + " \"run_pairs_per_second\": %s, \"peak_mebibytes\": %s}";
        String rows = String.join(
                ",",
                row.formatted("dpo4j", "75.0", "48.0", "312.0"),
                row.formatted("TRL", "6.0", "6.0", "1560.0"),
                row.formatted("TRL precomputed", "10.0", "4.0", "1248.0"));
        String document = written(
                "dpo-runs-cpu-2026-12-01-abc1234.json",
                "{\"processor\": \"Xeon\", \"peer\": \"TRL 1.16.0\", \"results\": [" + rows + "]}");
        assertThat(document)
                .contains("| dpo4j / TRL 1.16.0: steps, run, memory |")
                .contains("| dpo4j, pairs 64 | 75.0 | 48.0 | 312 MiB |  |")
                .contains("| TRL 1.16.0, pairs 64 | 6.0 | 6.0 | 1560 MiB | 12.5, 8.0, 0.20 |")
                .contains("| TRL 1.16.0 precomputed, pairs 64 | 10.0 | 4.0 | 1248 MiB | 7.5, 12.0, 0.25 |");
    }

    @Test
    void oursAndPyTorchStandSideBySide() throws IOException {
        String row = "{\"benchmark\": \"%s\", \"parameters\": {\"dtype\": \"F32\"}, \"median_us\": %d}";
        String rows = String.join(
                ",",
                row.formatted("TokenLogProb.forward", 50),
                row.formatted("PyTorch.forward", 500),
                row.formatted("TokenLogProb.backward", 2000),
                row.formatted("PyTorch.backward", 5000));
        String document =
                written("peers-cpu-2026-12-01-abc1234.json", "{\"processor\": \"Xeon\", \"results\": [" + rows + "]}");
        assertThat(document).contains("| dtype F32 | 50.0 us | 500.0 us | 10.0 | 2.0 ms | 5.0 ms | 2.5 |");
    }
}
