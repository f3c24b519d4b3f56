package org.dpo4j.bench.device;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.dpo4j.bench.device.Benchmark.Count;
import org.dpo4j.bench.device.Benchmark.Preparation;
import org.dpo4j.kernels.decoder.RmsNorm;

/**
 * The table of what is timed: rooflines of the machine, then every operation of dpo4j.h. A line holds all there is to a
 * benchmark: its name, the bytes that a call must move and the FLOPs that it does, as the head of its kernel says, what
 * bounds it, how it is made, and its shapes.
 */
final class Benchmarks {
    private static final Count NOTHING = shape -> 0;

    private static final Shape[] LOGITS = shapes(
            "rows 8192, vocabulary 32000, logits BF16",
            "rows 8192, vocabulary 32000, logits F32",
            "rows 16384, vocabulary 128256, logits BF16",
            "rows 16384, vocabulary 128256, logits BF16, masked half",
            "rows 16384, vocabulary 128256, logits F32",
            "rows 16384, vocabulary 151936, logits BF16",
            "rows 16384, vocabulary 151936, logits F32");
    private static final Shape[] LOGITS_TINY = shapes(
            "rows 5, vocabulary 208, logits BF16",
            "rows 5, vocabulary 208, logits F32",
            "rows 8, vocabulary 208, logits F32, masked half");

    private static final Shape[] ROWS =
            shapes("rows 16384, width 4096, dtype BF16", "rows 16384, width 896, dtype BF16");
    private static final Shape[] ROWS_TINY = shapes("rows 9, width 40, dtype F32", "rows 9, width 40, dtype BF16");

    private static final Shape[] ATTENTION = shapes(
            "layout causal, sequences 4, tokens 4096, heads 32, kv_heads 8, width 128, dtype BF16",
            "layout causal, sequences 2, tokens 8192, heads 32, kv_heads 8, width 128, dtype BF16",
            "layout causal, sequences 4, tokens 4096, heads 14, kv_heads 2, width 64, dtype BF16",
            "layout shared, pairs 8, prompt 1024, completion 512, heads 32, kv_heads 8, width 128, dtype BF16",
            "layout plain, pairs 8, prompt 1024, completion 512, heads 32, kv_heads 8, width 128, dtype BF16");
    private static final Shape[] ATTENTION_TINY = shapes(
            "layout causal, sequences 2, tokens 21, heads 4, kv_heads 2, width 16, dtype F32",
            "layout shared, pairs 2, prompt 9, completion 5, heads 4, kv_heads 2, width 16, dtype BF16");

    private static final Shape[] HEAD = shapes(
            "rows 8192, vocabulary 32000, hidden 4096, dtype BF16",
            "rows 4096, vocabulary 128256, hidden 4096, dtype BF16",
            "rows 8192, vocabulary 128256, hidden 4096, dtype BF16",
            "rows 16384, vocabulary 128256, hidden 4096, dtype BF16",
            "rows 16384, vocabulary 151936, hidden 896, dtype BF16");
    private static final Shape[] HEAD_TINY =
            shapes("rows 6, vocabulary 101, hidden 16, dtype F32", "rows 6, vocabulary 101, hidden 16, dtype BF16");
    private static final Shape[] HEAD_TINY_BF16 = shapes("rows 6, vocabulary 101, hidden 16, dtype BF16");

    private static final Shape[] PARAMETERS = shapes(
            "count 134217728, dtype BF16",
            "count 134217728, dtype BF16, rounding stochastic",
            "count 134217728, dtype BF16, rounding stochastic, moments BF16",
            "count 134217728, dtype F32");
    private static final Shape[] PARAMETERS_TINY = shapes(
            "count 1003, dtype F32",
            "count 1003, dtype BF16",
            "count 1003, dtype BF16, rounding stochastic",
            "count 1003, dtype BF16, rounding stochastic, moments BF16");

    private static final Shape[] STEP = shapes(
            "layout shared, model qwen2-0.5b, pairs 8, prompt 1024, completion 512, dtype BF16",
            "layout plain, model qwen2-0.5b, pairs 8, prompt 1024, completion 512, dtype BF16");
    /** 16 Ki rows a step, in micro-batches whose activations leave room for weights, gradients and moments in 130 GB. */
    private static final Shape[] STEP_8B = shapes("layout shared, model llama3-8b, pairs 8, micro_batch 4, prompt 1024,"
            + " completion 512, dtype BF16, rounding stochastic, moments BF16");

    private static final Shape[] STEP_TINY = shapes(
            "layout shared, model tiny, pairs 2, prompt 8, completion 4, dtype F32",
            "layout plain, model tiny, pairs 2, prompt 8, completion 4, dtype F32",
            "layout shared, model tiny, pairs 2, prompt 8, completion 4, dtype BF16",
            "layout shared, model tiny, pairs 4, micro_batch 2, prompt 8, completion 4, dtype BF16, rounding stochastic,"
                    + " moments BF16");

    private static final Shape[] ONE = shapes("bytes 1073741824");
    private static final Shape[] ONE_TINY = shapes("bytes 65536");
    private static final Shape[] PRODUCTS = shapes(
            "product forward, rows 16384, in 4096, out 14336, dtype BF16",
            "product input_gradient, rows 16384, in 4096, out 14336, dtype BF16",
            "product weight_gradient, rows 16384, in 4096, out 14336, dtype BF16",
            "product forward, rows 16384, in 896, out 4864, dtype BF16",
            "product weight_gradient, rows 16384, in 896, out 4864, dtype BF16");
    private static final Shape[] PRODUCTS_TINY = shapes(
            "product forward, rows 9, in 16, out 24, dtype F32",
            "product input_gradient, rows 9, in 16, out 24, dtype F32",
            "product weight_gradient, rows 9, in 16, out 24, dtype F32");

    /** In the order they are run: rooflines, then the kernels whose speed is least certain, so that a run that is cut short has those. */
    static final List<Benchmark> ALL = List.of(
            moving("copy", s -> 2 * s.at("bytes"), Roofline.NONE, RooflineBenchmark::copy, ONE, ONE_TINY),
            moving("write", s -> s.at("bytes"), Roofline.NONE, RooflineBenchmark::write, ONE, ONE_TINY),
            moving("read", s -> s.at("bytes"), Roofline.NONE, RooflineBenchmark::read, ONE, ONE_TINY),
            computing(
                    "matmul",
                    s -> MatmulBenchmark.product(s).flops(),
                    Roofline.products(s -> List.of(MatmulBenchmark.product(s))),
                    MatmulBenchmark::trainers,
                    PRODUCTS,
                    PRODUCTS_TINY),
            attention("attention_forward", 4, AttentionBenchmark::forward),
            attention("attention_backward", 10, AttentionBenchmark::backward),
            head("lm_head_forward", LmHeadBenchmark::forward, HEAD_TINY_BF16),
            head("lm_head_chunks_forward", LmHeadBenchmark::forwardInChunks, HEAD_TINY),
            computing(
                    "lm_head_path",
                    LmHeadBenchmark::flopsForward,
                    Roofline.CHUNKS,
                    LmHeadBenchmark::forward,
                    HEAD,
                    HEAD_TINY_BF16),
            computing(
                    "lm_head_forward_backward",
                    s -> 3 * LmHeadBenchmark.flopsForward(s),
                    Roofline.products(LmHeadBenchmark::threeProducts),
                    LmHeadBenchmark::forwardBackward,
                    HEAD,
                    HEAD_TINY),
            logits("token_logprob_forward", false, TokenLogProbBenchmark::forward),
            logits("token_logprob_backward", true, TokenLogProbBenchmark::backward),
            logits("token_logprob_forward_backward", true, TokenLogProbBenchmark::forwardBackward),
            moving(
                    "preference_loss",
                    s -> 28 * s.at("pairs"),
                    Roofline.NONE,
                    PreferenceLossBenchmark::sigmoid,
                    shapes("pairs 4096", "pairs 8"),
                    shapes("pairs 8")),
            moving(
                    "unpaired_loss",
                    s -> 28 * s.at("completions"),
                    Roofline.NONE,
                    UnpairedLossBenchmark::kto,
                    shapes("completions 4096"),
                    shapes("completions 8")),
            sums("sequence_sum_forward", SequenceSumBenchmark::forward),
            sums("sequence_sum_backward", SequenceSumBenchmark::backward),
            rows("rms_norm_forward", s -> 2 * matrix(s), RmsNormBenchmark::forward, ROWS),
            rows("rms_norm_forward_sum", s -> 4 * matrix(s), RmsNormBenchmark::forwardSum, ROWS),
            rows(
                    "rms_norm_backward",
                    s -> 4 * matrix(s) + 2.0 * RmsNorm.backwardWorkspaceBytes(s.at("rows"), s.at("width")),
                    RmsNormBenchmark::backward,
                    ROWS),
            rows("residual_forward", s -> 3 * matrix(s), RowsBenchmark::residual, ROWS),
            rope("rope_forward", RopeBenchmark::forward),
            rope("rope_backward", RopeBenchmark::backward),
            rows(
                    "swiglu_forward",
                    s -> 3 * matrix(s),
                    SwigluBenchmark::forward,
                    shapes("rows 16384, width 14336, dtype BF16", "rows 16384, width 4864, dtype BF16")),
            rows(
                    "swiglu_backward",
                    s -> 5 * matrix(s),
                    SwigluBenchmark::backward,
                    shapes("rows 16384, width 14336, dtype BF16", "rows 16384, width 4864, dtype BF16")),
            moving(
                    "embedding_forward",
                    s -> 2 * matrix(s),
                    Roofline.COPY,
                    RowsBenchmark::embeddingForward,
                    shapes("rows 16384, width 4096, vocabulary 128256, dtype BF16"),
                    shapes("rows 8, width 40, vocabulary 37, dtype F32")),
            moving(
                    "embedding_backward",
                    s -> matrix(s) + 8.0 * elements(s, "rows", "width") / 4,
                    Roofline.COPY,
                    RowsBenchmark::embeddingBackward,
                    shapes("rows 16384, width 4096, vocabulary 128256, dtype BF16"),
                    shapes("rows 8, width 40, vocabulary 37, dtype F32")),
            rows("copy_rows", s -> 2 * matrix(s), RowsBenchmark::copyRows, ROWS),
            rows("scale_rows", s -> 2 * matrix(s), RowsBenchmark::scaleRows, ROWS),
            rows(
                    "column_sum",
                    Benchmarks::matrix,
                    RowsBenchmark::columnSum,
                    shapes("rows 1024, width 128256, dtype BF16")),
            moving(
                    "gradient_norm",
                    s -> 4 * s.at("count"),
                    Roofline.COPY,
                    OptimizerBenchmark::gradientNorm,
                    shapes("count 134217728"),
                    shapes("count 1003")),
            moving(
                    "adamw",
                    s -> OptimizerBenchmark.bytesOfAnElement(s) * s.at("count"),
                    Roofline.COPY,
                    OptimizerBenchmark::adamw,
                    PARAMETERS,
                    PARAMETERS_TINY),
            step("dpo_step", STEP),
            step("dpo_step_8b", STEP_8B));

    private Benchmarks() {}

    private static Shape[] shapes(String... words) {
        return Arrays.stream(words).map(Shape::of).toArray(Shape[]::new);
    }

    private static double elements(Shape shape, String... sizes) {
        return Arrays.stream(sizes).mapToDouble(shape::at).reduce(1, (a, b) -> a * b);
    }

    private static double matrix(Shape shape) {
        return shape.dtype().bytes() * elements(shape, "rows", "width");
    }

    /** As two sequences a pair, the prompt in both: what TRL counts, and what is useful of either layout. */
    private static double stepTokens(Shape shape) {
        return 2.0 * shape.at("pairs") * (shape.at("prompt") + shape.at("completion"));
    }

    private static Benchmark moving(
            String name, Count bytes, Roofline roofline, Preparation preparation, Shape[] shapes, Shape[] tiny) {
        return new Benchmark(
                name, bytes, NOTHING, Map.of(), roofline, preparation, Arrays.asList(shapes), Arrays.asList(tiny));
    }

    private static Benchmark computing(
            String name, Count flops, Roofline roofline, Preparation preparation, Shape[] shapes, Shape[] tiny) {
        return new Benchmark(
                name, NOTHING, flops, Map.of(), roofline, preparation, Arrays.asList(shapes), Arrays.asList(tiny));
    }

    /** Log-probs of the head, beside the one product that they need. */
    private static Benchmark head(String name, Preparation preparation, Shape[] tiny) {
        return computing(
                name,
                LmHeadBenchmark::flopsForward,
                Roofline.products(LmHeadBenchmark::logitsProduct),
                preparation,
                HEAD,
                tiny);
    }

    /** Logits of rows that have a target; and the gradient of all rows, in the same type: that of the others is 0, and is written. */
    private static Benchmark logits(String name, boolean gradient, Preparation preparation) {
        Count elements = s -> TokenLogProbBenchmark.visible(s) * (double) s.at("vocabulary");
        Count written = s -> gradient ? elements(s, "rows", "vocabulary") : 0;
        return new Benchmark(
                name,
                s -> s.logits().bytes() * (elements.of(s) + written.of(s)),
                NOTHING,
                Map.of("elements", elements),
                Roofline.COPY,
                preparation,
                Arrays.asList(LOGITS),
                Arrays.asList(LOGITS_TINY));
    }

    private static Benchmark rows(String name, Count bytes, Preparation preparation, Shape[] shapes) {
        return moving(name, bytes, Roofline.COPY, preparation, shapes, ROWS_TINY);
    }

    private static Benchmark sums(String name, Preparation preparation) {
        return moving(
                name,
                s -> 4 * elements(s, "sequences", "tokens"),
                Roofline.NONE,
                preparation,
                shapes("sequences 64, tokens 512"),
                shapes("sequences 4, tokens 7"));
    }

    private static Benchmark rope(String name, Preparation preparation) {
        return moving(
                name,
                s -> 2 * s.dtype().bytes() * elements(s, "rows", "heads", "width"),
                Roofline.COPY,
                preparation,
                shapes("rows 16384, heads 40, width 128, dtype BF16", "rows 16384, heads 16, width 64, dtype BF16"),
                shapes("rows 7, heads 3, width 16, dtype F32", "rows 7, heads 3, width 16, dtype BF16"));
    }

    private static Benchmark step(String name, Shape[] shapes) {
        return new Benchmark(
                name,
                NOTHING,
                s -> s.at("pairs") * ModelShape.of(s).flops(s),
                Map.of("pairs", s -> s.at("pairs"), "tokens", Benchmarks::stepTokens),
                Roofline.SQUARE_PRODUCT,
                DpoStepBenchmark::step,
                Arrays.asList(shapes),
                Arrays.asList(STEP_TINY));
    }

    /** FLOPs a visible pair of query and key, over the width of a head; backward as everybody counts it, twice and a half forward. */
    private static Benchmark attention(String name, int flops, Preparation preparation) {
        return computing(
                name,
                s -> flops
                        * elements(s, "heads", "width")
                        * AttentionLayout.of(s).visible(),
                Roofline.SQUARE_PRODUCT,
                preparation,
                ATTENTION,
                ATTENTION_TINY);
    }
}
