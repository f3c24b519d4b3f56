package org.dpo4j.bench.device;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.dpo4j.kernels.Dpo4jException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Makes documents from invented results. */
class PerformanceTest {
    private static final String DOCUMENT = "# P\n<!-- tables -->\nold\n<!-- end tables -->\n";

    private static final String RUN = """
        {"date": "2026-12-01", "commit": "abc1234", "device": "cuda", "processor": "NVIDIA H100", "pace": "%s", "results": [
          {"benchmark": "token_logprob_forward", "parameters": {"rows": "8192"}, "p20_us": 130, "median_us": 131.5, "p80_us": 133,
           "elements": 263000},
          {"benchmark": "adamw", "parameters": {"count": "8"}, "p20_us": 1, "median_us": 1, "p80_us": 1, "gate_failed": "out is 2, must be 1"},
          {"benchmark": "token_logprob_forward", "parameters": {"rows": "8192"}, "peer": "eager", "median_us": 526, "times_ours": 4.5},
          {"benchmark": "token_logprob_forward", "parameters": {"rows": "8192"}, "peer": "trl", "median_us": 1000, "times_ours": 7.25}]}
        """;

    @TempDir
    Path folder;

    private String written(String file, String run) throws IOException {
        Files.writeString(folder.resolve(file), run);
        return Performance.written(DOCUMENT, folder);
    }

    /** A peer's time is in dpo4j's line, with its name. The time of a wrong result is marked. */
    @Test
    void timesOfPeersAndOfWrongResultsAreMarked() throws IOException {
        assertThat(written("cuda-2026-12-01-abc1234.json", RUN.formatted("full")))
                .contains("`bench/results/cuda-2026-12-01-abc1234.json`: NVIDIA H100")
                .contains("| token_logprob_forward | rows 8192 | 131.5 us (130.0 us to 133.0 us) | 2.00 |"
                        + " eager 526.0 us (4.5 times) trl 1.0 ms (7.3 times) |")
                .contains("| adamw | count 8 | 1.0 us (1.0 us to 1.0 us) (gate failed: the result is wrong) |  | |")
                .doesNotContain("old");
    }

    /**
     * Rows of earlier commits are named after PyTorch and have no ratio, so it is computed: 500 / 50 and 5000 / 2000.
     */
    @Test
    void rowsOfPyTorchAreRowsOfAPeer() throws IOException {
        String row =
                "{\"benchmark\": \"%s\", \"parameters\": {\"dtype\": \"F32\"}, \"p20_us\": 1, \"median_us\": %d, \"p80_us\": 1}";
        String rows = String.join(
                ",",
                row.formatted("TokenLogProb.forward", 50),
                row.formatted("PyTorch.forward", 500),
                row.formatted("TokenLogProb.backward", 2000),
                row.formatted("PyTorch.backward", 5000));
        assertThat(written("peers-cpu-2026-12-01-abc1234.json", "{\"results\": [" + rows + "]}"))
                .contains(
                        "| TokenLogProb.forward | dtype F32 | 50.0 us (1.0 us to 1.0 us) |  | PyTorch 500.0 us (10.0 times) |")
                .contains(
                        "| TokenLogProb.backward | dtype F32 | 2.0 ms (1.0 us to 1.0 us) |  | PyTorch 5.0 ms (2.5 times) |");
    }

    @Test
    void tinySizesAreNoMeasurement() {
        assertThatThrownBy(() -> written("emulated-2026-12-01-abc1234.json", RUN.formatted("look")))
                .isInstanceOf(Dpo4jException.class)
                .hasMessageContaining("emulated-2026-12-01-abc1234.json has tiny sizes");
    }

    /** Ratios by hand: 75 / 6, 48 / 6, 312 / 1560. */
    @Test
    void wholeRunsAreComparedWithAPeerAndItsVersion() throws IOException {
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

    /** 54.6 / 53.5 and 100.4 / 100.1; ratios of plain rows are those of the plain run: 20 / 8. */
    @Test
    void runsOfEqualParametersAreComparedAndFindingsFollow() throws IOException {
        String row =
                "{\"benchmark\": \"DpoRun.%s\", \"parameters\": {%s}, \"steps_pairs_per_second\": %s, \"run_pairs_per_second\": 4,"
                        + " \"peak_mebibytes\": 100}";
        String rows = String.join(
                ",",
                row.formatted("dpo4j", "\"batch\": \"8\"", "75.0"),
                row.formatted("dpo4j, reference in every step", "\"batch\": \"8\"", "60.0"),
                row.formatted("dpo4j", "\"batch\": \"8\", \"plain\": \"256\"", "20.0"),
                row.formatted("TRL", "\"batch\": \"8\", \"plain\": \"256\"", "8.0"),
                "{\"benchmark\": \"DpoRun.losses\", \"parameters\": {\"steps\": \"50\"}, \"max_difference\": 0.000056}",
                "{\"benchmark\": \"DpoRun.checkpoints\", \"parameters\": {\"steps\": \"200\"}, \"samples\": 5,"
                        + " \"with_run_seconds\": 54.6, \"without_run_seconds\": 53.5, \"with_processor_seconds\": 100.4,"
                        + " \"without_processor_seconds\": 100.1}");
        assertThat(written(
                        "dpo-runs-cpu-2026-12-01-abc1234.json",
                        "{\"processor\": \"Xeon\", \"peer\": \"TRL 1.16.0\", \"results\": [" + rows + "]}"))
                .contains("| dpo4j, reference in every step, batch 8 | 60.0 | 4.0 | 100 MiB |  |")
                .contains("| TRL 1.16.0, batch 8, plain 256 | 8.0 | 4.0 | 100 MiB | 2.5, 1.0, 1.00 |")
                .contains(
                        "Losses of dpo4j and TRL 1.16.0 on the same batches, steps 50: the largest difference of a step is"
                                + " 5.6e-05.")
                .contains(
                        "A checkpoint every 50 steps, steps 200, rounds 5: the run takes 2.1 % of its time more, and 0.3 % of"
                                + " its processor time.");
    }

    /** Only generation of one sequence has the part of the bandwidth. */
    @Test
    void modelsAreComparedWithAPeer() throws IOException {
        String rows = """
                {"benchmark": "ModelRun.train.llama", "parameters": {"train": 8, "batch": 2}, "samples": 3,
                 "dpo4j_tokens_per_second": 1499.6, "transformers_tokens_per_second": 900, "times_as_fast": 1.666,
                 "bf16_times_as_fast": 1.551},
                {"benchmark": "ModelRun.generate1.llama", "parameters": {"generate": 1}, "samples": 3, "times_as_fast": 2.5,
                 "dpo4j_tokens_per_second": 250, "transformers_tokens_per_second": 100, "part_of_read_bandwidth": 0.614}
                """;
        assertThat(written(
                        "model-runs-cpu-2026-12-01-abc1234.json",
                        "{\"peer\": \"transformers 9\", \"results\": [" + rows + "]}"))
                .contains("| tokens/s, transformers 9 |")
                .contains("| train.llama, train 8, batch 2, rounds 3 | 1500 | 900 | 1.67 | 1.55 |  |")
                .contains("| generate1.llama, generate 1, rounds 3 | 250 | 100 | 2.50 |  | 0.61 |");
    }
}
