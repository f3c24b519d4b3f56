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
    private static final String DOCUMENT =
            "# P\n<!-- waiting -->\nold\n<!-- end waiting -->\n<!-- tables -->\nold\n<!-- end tables -->\n";

    private static final String RUN = """
            {"date": "2026-12-01", "commit": "abc1234", "device": "cuda", "processor": "NVIDIA H100", "driver": "580.1", "cores": 16,
             "instructions": "sm 9.0", "software": "Java 17", "pace": "%s", "machine_state": "nvidia-smi",
             "peers": {"eager": "torch 2.10", "liger": "did not run: no Triton"},
             "results": [
              {"benchmark": "token_logprob_forward", "parameters": {"rows": "8192", "logits": "BF16"}, "p20_us": 130, "median_us": 131.5,
               "p80_us": 133, "gigabytes_per_second": 3987.1, "roofline": "copy", "ratio": 0.962, "burst_us": 129, "sustained_us": 140,
               "sm_mhz": 1755, "watts": 611},
              {"benchmark": "preference_loss", "parameters": {"pairs": "8"}, "p20_us": 3.5, "median_us": 3.6, "p80_us": 3.7,
               "gigabytes_per_second": 0.1, "graph_node_us": 1.54, "burst_us": 3.6, "sustained_us": 3.6},
              {"benchmark": "token_logprob_forward", "parameters": {"rows": "8192", "logits": "BF16"}, "peer": "eager", "median_us": 526,
               "times_ours": 4.0}],
             "not_run": [{"benchmark": "dpo_step", "parameters": {"pairs": "8"}, "peer": "eager", "reason": "no time"}], "failed": []}
            """;

    @TempDir
    Path folder;

    private String written(String file, String run) throws IOException {
        Files.writeString(folder.resolve(file), run);
        return Performance.written(DOCUMENT, folder);
    }

    @Test
    void aRunOnAGpuHasRatiosAndPeersAndReasons() throws IOException {
        String document = written("cuda-2026-12-01-abc1234.json", RUN.formatted("full"));
        assertThat(document)
                .contains(
                        "| token_logprob_forward | rows 8192, logits BF16 | 131.5 us (130.0 us to 133.0 us) | 3987 GB/s"
                                + " | 0.962 of copy | 129.0 us | 140.0 us | 1755, 611 |")
                .contains("| preference_loss | pairs 8 | 3.6 us (3.5 us to 3.7 us) | in a graph 1.5 us |")
                .contains("| benchmark | parameters | eager |")
                .contains("| token_logprob_forward | rows 8192, logits BF16 | 526.0 us, 4.00 |")
                .contains("* liger: did not run: no Triton")
                .contains("* not run: dpo_step by eager, pairs 8: no time")
                .doesNotContain("old");
    }

    @Test
    void whatWasMeasuredWaitsNoLonger() throws IOException {
        assertThat(Performance.written(DOCUMENT, folder)).contains("`./bench --only token_logprob_forward`");
        assertThat(written("cuda-2026-12-01-abc1234.json", RUN.formatted("full")))
                .doesNotContain("`./bench --only token_logprob_forward`")
                .contains("`./bench --only token_logprob_backward,token_logprob_forward_backward`")
                .contains("`./bench --only dpo_step --peers FOLDER`");
    }

    /** A row behind a gate that failed is shown and marked; it measures nothing. */
    @Test
    void theTimeOfAWrongResultIsNoMeasurement() throws IOException {
        String wrong = RUN.formatted("full")
                .replace("\"p20_us\": 130,", "\"p20_us\": 130, \"gate_failed\": \"out is 2, must be 1\",");
        assertThat(written("cuda-2026-12-01-abc1234.json", wrong))
                .contains("`./bench --only token_logprob_forward`")
                .contains("| token_logprob_forward (gate failed) | rows 8192, logits BF16 |")
                .contains(
                        "* gate failed, time of a wrong result: token_logprob_forward, rows 8192, logits BF16: out is 2, must be 1");
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
