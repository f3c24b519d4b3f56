package org.dpo4j.bench.device;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Devices;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.testkit.ReferenceAttention;
import org.dpo4j.train.MemoryPlan;
import org.junit.jupiter.api.Test;

/** Compares the table of benchmarks with dpo4j.h and PERFORMANCE.md. */
class BenchmarksTest {
    private static final Path ROOT = Path.of(System.getenv("DPO4J_ROOT"));

    private static List<String> names() {
        return Benchmarks.ALL.stream().map(Benchmark::name).toList();
    }

    @Test
    void everyOperationOfTheHeaderHasABenchmark() throws IOException {
        Matcher call = Pattern.compile("DPO4J_API int32_t dpo4j_(\\w+)\\(dpo4j_context\\*, ")
                .matcher(Files.readString(ROOT.resolve("native/dpo4j.h")));
        Set<String> operations = new TreeSet<>();
        while (call.find()) {
            operations.add(call.group(1));
        }
        operations.remove("pack_panels"); // once after loading, on cpu; generation in model_runs.py measures its use
        assertThat(operations).contains("matmul", "adamw", "attention_backward").hasSizeGreaterThan(20);
        assertThat(names()).doesNotHaveDuplicates().containsAll(operations);
    }

    @Test
    void documentNamesBenchmarks() throws IOException {
        assertThat(goals()).hasSizeGreaterThan(10);
        assertThat(names()).containsAll(goals());
    }

    /** The names of the benchmarks that the commands in PERFORMANCE.md run. */
    private static Set<String> goals() throws IOException {
        Matcher named =
                Pattern.compile("--only ([a-z0-9_,]+)").matcher(Files.readString(ROOT.resolve("PERFORMANCE.md")));
        Set<String> asked = new TreeSet<>();
        while (named.find()) {
            asked.addAll(List.of(named.group(1).split(",")));
        }
        return asked;
    }

    /** Except those of 8B, for which there is no time, and one that is the roofline of {@code lm_head_path}. */
    @Test
    void theFirstCallOnAGpuMeasuresEveryGoal() throws IOException {
        Matcher groups =
                Pattern.compile("\nbenchmarks=(\\S+)").matcher(Files.readString(ROOT.resolve("tests/bundle/first")));
        assertThat(groups.find()).isTrue();
        List<String> named = List.of(groups.group(1).replaceAll(":\\d+", "").split("[,+]"));
        Set<String> expected = goals();
        expected.removeIf(name -> name.endsWith("_8b") || name.equals("lm_head_chunks_forward"));
        assertThat(Bench.named(named).stream().map(Benchmark::name)).containsAll(expected);
    }

    @Test
    void documentHasTheTablesOfItsResults() throws IOException {
        String document = Files.readString(ROOT.resolve("PERFORMANCE.md"));
        assertThat(document)
                .as("bench/run.sh, or Performance alone, writes it anew")
                .isEqualTo(Performance.written(document, ROOT.resolve("bench/results")));
    }

    /** By hand, as the top comment of adamw.cu says. */
    @Test
    void adamwCountsWhatItMoves() {
        assertThat(OptimizerBenchmark.bytesOfAnElement(Shape.of("dtype F32"))).isEqualTo(28);
        assertThat(OptimizerBenchmark.bytesOfAnElement(Shape.of("dtype BF16"))).isEqualTo(30);
        assertThat(OptimizerBenchmark.bytesOfAnElement(Shape.of("dtype BF16, rounding stochastic")))
                .isEqualTo(24);
        assertThat(OptimizerBenchmark.bytesOfAnElement(Shape.of("dtype BF16, rounding stochastic, moments BF16")))
                .isEqualTo(16);
    }

    /**
     * With a second copy of its weights it fits 130 GB, so it fits an H200 (149 GB). It does not fit an H100 (84 GB);
     * the error says what is missing.
     */
    @Test
    void stepOf8BStatesItsMemory() {
        Benchmark step = Benchmarks.ALL.get(names().indexOf("dpo_step_8b"));
        try (Device device = Devices.open("cpu", notice -> {});
                Fixture fixture = new Fixture(device, step.shapes().gpu().get(0), new Numbers(Scale.TINY), 1)) {
            MemoryPlan plan = DpoStepBenchmark.memory(fixture);
            // This plans for the cpu, which computes one pair per pass. A GPU computes four: 6144 more rows, each of
            // 3.1 MB of activations.
            long gpu = plan.bytes() + 6144L * 3_130_000;
            assertThat(gpu + plan.weights()).isBetween(120_000_000_000L, 130_000_000_000L);
            assertThatThrownBy(() -> plan.check(84_000_000_000L))
                    .isInstanceOf(Dpo4jException.class)
                    .hasMessageContaining("84.0 GB are available")
                    .hasMessageContaining("optimizer state 32.1 GB");
        }
    }

    @Test
    void flopsOfSharedPrefixesAreThoseOfTheirTokens() {
        Shape shared = Shape.of("layout shared, model qwen2-0.5b, pairs 8, prompt 1024, completion 512, dtype BF16");
        Shape plain = Shape.of("layout plain, model qwen2-0.5b, pairs 8, prompt 1024, completion 512, dtype BF16");
        ModelShape model = ModelShape.of(shared);
        // By hand: 13.57 and 9.63 ms at 790 TFLOP/s, if the reference's forward pass counts too, which adds a third.
        assertThat(4.0 / 3 * model.flops(plain) / 790e12 * 1e3).isBetween(13.5, 13.6);
        assertThat(4.0 / 3 * model.flops(shared) / 790e12 * 1e3).isBetween(9.6, 9.7);
    }

    /** By hand: half of 16384 rows are read, and the gradient of all rows is written. */
    @Test
    void bytesOfMaskedRowsAreNotRead() {
        Shape half = Shape.of("rows 16384, vocabulary 1000, logits BF16, masked half");
        assertThat(TokenLogProbBenchmark.visible(half)).isEqualTo(8192);
        assertThat(bytes("token_logprob_forward", half)).isEqualTo(2 * 8192 * 1000);
        assertThat(bytes("token_logprob_backward", half)).isEqualTo(2 * (8192 + 16384) * 1000);
        Shape all = Shape.of("rows 16384, vocabulary 1000, logits BF16");
        assertThat(bytes("token_logprob_forward_backward", all)).isEqualTo(2 * 2 * 16384 * 1000);
    }

    /** By hand: 988 MB of weights, and 12 288 bytes of keys and values for each token of a text. */
    @Test
    void aDecodeStepReadsWeightsAndKeys() {
        Shape step = Shape.of("model qwen2-0.5b, sequences 16, context 100, dtype BF16");
        assertThat(bytes("generate_step", step)).isEqualTo(987_922_432 + 16 * 100 * 12_288);
        String attention = "sequences 16, context 4096, heads 32, kv_heads 8, width 128, dtype BF16";
        assertThat(bytes("attention_decode", Shape.of(attention))).isEqualTo(16 * 4096 * 4096);
        assertThat(bytes("attention_decode", Shape.of(attention + ", window 1024")))
                .isEqualTo(16 * 1024 * 4096);
    }

    private static double bytes(String name, Shape shape) {
        return Benchmarks.ALL.stream()
                .filter(each -> each.name().equals(name))
                .findFirst()
                .orElseThrow()
                .work()
                .bytes()
                .of(shape);
    }

    @Test
    void attentionCountsVisiblePairs() {
        for (int window : new int[] {0, 1, 6, 9, 12, 20}) {
            Shape shape = Shape.of(
                    "layout shared, pairs 2, prompt 9, completion 5" + (window == 0 ? "" : ", window " + window));
            var reference = new ReferenceAttention(
                            1, 1, 0, 1, new double[0], new double[0], new double[0], AttentionBenchmark.segments(shape))
                    .withLimits(window, 0);
            int seen = IntStream.range(0, 2 * (9 + 2 * 5))
                    .map(query -> reference.keys(query).length)
                    .sum();
            assertThat(AttentionBenchmark.visible(shape)).isEqualTo(seen);
        }
    }
}
