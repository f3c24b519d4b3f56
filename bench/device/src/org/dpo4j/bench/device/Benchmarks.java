package org.dpo4j.bench.device;

import static org.dpo4j.bench.device.BenchmarkShapes.ACTIVATION;
import static org.dpo4j.bench.device.BenchmarkShapes.ATTENTION;
import static org.dpo4j.bench.device.BenchmarkShapes.DECODE;
import static org.dpo4j.bench.device.BenchmarkShapes.EMBEDDING;
import static org.dpo4j.bench.device.BenchmarkShapes.EMBEDDING_BACKWARD;
import static org.dpo4j.bench.device.BenchmarkShapes.FUSED_HEAD;
import static org.dpo4j.bench.device.BenchmarkShapes.FUSED_HEAD_VARIANTS;
import static org.dpo4j.bench.device.BenchmarkShapes.GENERATION;
import static org.dpo4j.bench.device.BenchmarkShapes.GENERATION_8B;
import static org.dpo4j.bench.device.BenchmarkShapes.HEAD;
import static org.dpo4j.bench.device.BenchmarkShapes.LOGITS;
import static org.dpo4j.bench.device.BenchmarkShapes.LORA_STEP_8B;
import static org.dpo4j.bench.device.BenchmarkShapes.MEMORY;
import static org.dpo4j.bench.device.BenchmarkShapes.PARAMETERS;
import static org.dpo4j.bench.device.BenchmarkShapes.PRODUCTS;
import static org.dpo4j.bench.device.BenchmarkShapes.RMS_NORM;
import static org.dpo4j.bench.device.BenchmarkShapes.ROWS;
import static org.dpo4j.bench.device.BenchmarkShapes.SAMPLING;
import static org.dpo4j.bench.device.BenchmarkShapes.STEP;
import static org.dpo4j.bench.device.BenchmarkShapes.STEP_8B;
import static org.dpo4j.bench.device.BenchmarkShapes.WEIGHTS;
import static org.dpo4j.bench.device.BenchmarkShapes.onGpu;
import static org.dpo4j.bench.device.BenchmarkShapes.rowsTiny;
import static org.dpo4j.bench.device.BenchmarkShapes.shapes;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.dpo4j.bench.device.Benchmark.Count;
import org.dpo4j.bench.device.Benchmark.Preparation;
import org.dpo4j.bench.device.Benchmark.Shapes;
import org.dpo4j.bench.device.Benchmark.Work;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.decoder.AdamW8bit;
import org.dpo4j.kernels.decoder.LayerNorm;
import org.dpo4j.kernels.decoder.Quantize4bit;
import org.dpo4j.kernels.decoder.RmsNorm;

/**
 * The table of benchmarks: rooflines of the machine, then every operation of dpo4j.h. A line defines a benchmark: its
 * name, the bytes or FLOPs of a call (those of the top comment of its kernel), its roofline, its preparation and its
 * shapes.
 */
final class Benchmarks {
    /**
     * All benchmarks: rooflines first, then the kernels whose speed is least certain. {@link Runner} runs the first shape of each in
     * this order, then the second of each, and so on.
     */
    static final List<Benchmark> ALL = List.of(
            moving("copy", s -> 2 * s.at("bytes"), Roofline.NONE, Roofline::copy, MEMORY),
            moving("write", s -> s.at("bytes"), Roofline.NONE, Roofline::write, MEMORY),
            moving("read", s -> s.at("bytes"), Roofline.NONE, Roofline::read, MEMORY),
            computing(
                    "matmul",
                    s -> MatmulBenchmark.product(s).flops(),
                    Roofline.products(s -> List.of(MatmulBenchmark.product(s))),
                    MatmulBenchmark::trainers,
                    PRODUCTS),
            attention("attention_forward", 4, AttentionBenchmark::forward),
            attention("attention_backward", 10, AttentionBenchmark::backward),
            moving(
                    "attention_decode",
                    AttentionDecodeBenchmark::bytes,
                    Roofline.READ,
                    AttentionDecodeBenchmark::decode,
                    DECODE),
            head("lm_head_forward", Roofline.products(LmHeadBenchmark::logitsProduct), FUSED_HEAD),
            computing(
                    "lm_head_chunks_forward",
                    LmHeadBenchmark::flopsForward,
                    Roofline.products(LmHeadBenchmark::logitsProduct),
                    LmHeadBenchmark::forwardInChunks,
                    HEAD),
            head("lm_head_path", Roofline.CHUNKS, FUSED_HEAD),
            computing(
                    "lm_head_forward_backward",
                    s -> 3 * LmHeadBenchmark.flopsForward(s),
                    Roofline.products(LmHeadBenchmark::threeProducts),
                    LmHeadBenchmark::forwardBackward,
                    HEAD),
            computing(
                    "lm_head_exponentials",
                    LmHeadBenchmark::flopsForward,
                    Roofline.products(LmHeadBenchmark::logitsProduct),
                    LmHeadBenchmark::exponentials,
                    FUSED_HEAD),
            computing(
                    "lm_head_exponentials_forward_backward",
                    s -> 3 * LmHeadBenchmark.flopsForward(s),
                    Roofline.products(LmHeadBenchmark::threeProducts),
                    LmHeadBenchmark::forwardBackwardOfExponentials,
                    FUSED_HEAD),
            computing(
                    "lm_head_exponentials_statistics",
                    LmHeadBenchmark::flopsForward,
                    Roofline.products(LmHeadBenchmark::logitsProduct),
                    LmHeadBenchmark::exponentialsAndStatistics,
                    FUSED_HEAD_VARIANTS),
            computing(
                    "lm_head_exponentials_frozen",
                    s -> 2 * LmHeadBenchmark.flopsForward(s),
                    Roofline.products(LmHeadBenchmark::twoProducts),
                    LmHeadBenchmark::frozenOfExponentials,
                    FUSED_HEAD_VARIANTS),
            logits("token_logprob_forward", false, TokenLogProbBenchmark::forward),
            logits("token_logprob_backward", true, TokenLogProbBenchmark::backward),
            logits("token_logprob_forward_backward", true, TokenLogProbBenchmark::forwardBackward),
            moving(
                    "token_logprob_narrowed",
                    s -> 6 * elements(s, "rows", "vocabulary"),
                    Roofline.COPY,
                    TokenLogProbBenchmark::narrowed,
                    onGpu(
                            shapes("rows 8192, vocabulary 128256, logits F32"),
                            shapes("rows 5, vocabulary 208, logits F32"))),
            moving(
                    "sample_tokens",
                    s -> 4 * elements(s, "rows", "vocabulary"),
                    Roofline.NONE,
                    SampleTokensBenchmark::sample,
                    SAMPLING),
            moving(
                    "preference_loss",
                    PreferenceLossBenchmark::bytes,
                    Roofline.NONE,
                    PreferenceLossBenchmark::sigmoidOfPairs,
                    new Shapes(
                            shapes("pairs 8, statistics 1", "pairs 32", "pairs 4096", "pairs 8", "pairs 1"),
                            shapes("pairs 4096", "pairs 8"),
                            shapes("pairs 8, statistics 1", "pairs 8", "pairs 33"))),
            moving(
                    "preference_loss_sorted",
                    s -> 84 * s.at("pairs"),
                    Roofline.NONE,
                    PreferenceLossBenchmark::aot,
                    new Shapes(
                            shapes("pairs 8", "pairs 256", "pairs 2048", "pairs 4096"),
                            shapes("pairs 256", "pairs 4096"),
                            shapes("pairs 8", "pairs 33"))),
            moving(
                    "unpaired_loss",
                    s -> 28 * s.at("completions"),
                    Roofline.NONE,
                    PreferenceLossBenchmark::kto,
                    onGpu(shapes("completions 4096"), shapes("completions 8"))),
            sums("sequence_sum_forward", SequenceSumBenchmark::forward),
            sums("sequence_sum_backward", SequenceSumBenchmark::backward),
            moving("rms_norm_forward", s -> 2 * groups(s), Roofline.COPY, RmsNormBenchmark::forward, RMS_NORM),
            moving("rms_norm_forward_sum", s -> 4 * groups(s), Roofline.COPY, RmsNormBenchmark::forwardSum, RMS_NORM),
            moving(
                    "rms_norm_backward",
                    s -> 4 * groups(s)
                            + 2.0
                                    * RmsNorm.backwardWorkspaceBytes(
                                            s.at("rows") * s.countOr("groups", 1), s.at("width")),
                    Roofline.COPY,
                    RmsNormBenchmark::backward,
                    RMS_NORM),
            moving("layer_norm_forward", s -> 2 * matrix(s), Roofline.COPY, LayerNormBenchmark::forward, ROWS),
            moving("layer_norm_forward_sum", s -> 4 * matrix(s), Roofline.COPY, LayerNormBenchmark::forwardSum, ROWS),
            moving(
                    "layer_norm_backward",
                    s -> 4 * matrix(s) + 2.0 * LayerNorm.backwardWorkspaceBytes(s.at("rows"), s.at("width")),
                    Roofline.COPY,
                    LayerNormBenchmark::backward,
                    ROWS),
            moving("residual_forward", s -> 3 * matrix(s), Roofline.COPY, RowsBenchmark::residual, ROWS),
            rope("rope_forward", RopeBenchmark::forward),
            rope("rope_backward", RopeBenchmark::backward),
            moving(
                    "activation_forward",
                    s -> (1 + s.at("inputs")) * matrix(s),
                    Roofline.COPY,
                    ActivationBenchmark::forward,
                    ACTIVATION),
            moving(
                    "activation_backward",
                    s -> (1 + 2 * s.at("inputs")) * matrix(s),
                    Roofline.COPY,
                    ActivationBenchmark::backward,
                    ACTIVATION),
            moving("embedding_forward", s -> 2 * matrix(s), Roofline.COPY, RowsBenchmark::embeddingForward, EMBEDDING),
            moving(
                    "embedding_backward",
                    s -> matrix(s) + 8 * RowsBenchmark.ranges(s) * s.at("width"),
                    Roofline.COPY,
                    RowsBenchmark::embeddingBackward,
                    EMBEDDING_BACKWARD),
            moving("copy_rows", s -> 2 * matrix(s), Roofline.COPY, RowsBenchmark::copyRows, ROWS),
            moving("scale_rows", s -> 2 * matrix(s), Roofline.COPY, RowsBenchmark::scaleRows, ROWS),
            moving(
                    "column_sum",
                    Benchmarks::matrix,
                    Roofline.COPY,
                    RowsBenchmark::columnSum,
                    onGpu(
                            shapes(
                                    "rows 16384, width 896, dtype BF16",
                                    "rows 1024, width 128256, dtype BF16",
                                    "rows 16384, width 4096, dtype BF16",
                                    "rows 16384, width 2048, dtype BF16",
                                    "rows 16384, width 576, dtype BF16"),
                            rowsTiny())),
            moving(
                    "gradient_norm",
                    s -> 4 * s.at("count"),
                    Roofline.COPY,
                    OptimizerBenchmark::gradientNorm,
                    onGpu(shapes("count 134217728"), shapes("count 1003"))),
            moving(
                    "count_step",
                    s -> 16 * s.at("count"),
                    Roofline.COPY,
                    OptimizerBenchmark::countStep,
                    onGpu(shapes("count 36"), shapes("count 36"))),
            moving(
                    "adamw",
                    s -> OptimizerBenchmark.bytesOfAnElement(s) * s.at("count"),
                    Roofline.COPY,
                    OptimizerBenchmark::adamw,
                    PARAMETERS),
            moving(
                    "adamw_8bit",
                    s -> (weights(s) + 4 + 4.0 * 2 / AdamW8bit.BLOCK * 2) * s.at("count"),
                    Roofline.COPY,
                    UpdateBenchmark::adamw8bit,
                    WEIGHTS),
            moving("sgd", s -> (weights(s) + 8) * s.at("count"), Roofline.COPY, UpdateBenchmark::sgd, WEIGHTS),
            moving("rmsprop", s -> (weights(s) + 8) * s.at("count"), Roofline.COPY, UpdateBenchmark::rmsprop, WEIGHTS),
            moving("lion", s -> (weights(s) + 8) * s.at("count"), Roofline.COPY, UpdateBenchmark::lion, WEIGHTS),
            moving("lerp", s -> (8 + s.dtype().bytes()) * s.at("count"), Roofline.COPY, UpdateBenchmark::lerp, WEIGHTS),
            moving(
                    "uniform_noise",
                    s -> 2 * matrix(s),
                    Roofline.COPY,
                    RowsBenchmark::uniformNoise,
                    onGpu(shapes("rows 16384, width 4096, dtype BF16"), rowsTiny())),
            moving(
                    "quantize_4bit",
                    s -> (s.dtype().bytes() + 0.5 + 4.0 / Quantize4bit.BLOCK) * s.at("count"),
                    Roofline.COPY,
                    FourBitBenchmark::quantize,
                    onGpu(
                            shapes("count 134217728, dtype BF16"),
                            shapes("count 1003, dtype F32", "count 1003, dtype BF16"))),
            moving(
                    "dequantize_4bit",
                    s -> matrix(s) + FourBitBenchmark.codeBytes() * elements(s, "rows", "width"),
                    Roofline.COPY,
                    FourBitBenchmark::dequantize,
                    onGpu(
                            shapes(
                                    "rows 28672, width 4096, dtype BF16",
                                    "rows 4096, width 14336, dtype BF16",
                                    "rows 6144, width 4096, dtype BF16",
                                    "rows 28672, width 4096, dtype F32"),
                            rowsTiny())),
            generation("generate_step", GENERATION),
            generation("generate_step_8b", GENERATION_8B),
            step("dpo_step", STEP),
            step("dpo_step_8b", STEP_8B),
            step("lora_step_8b", LORA_STEP_8B));

    private Benchmarks() {}

    private static double elements(Shape shape, String... sizes) {
        return Arrays.stream(sizes).mapToDouble(shape::at).reduce(1, (a, b) -> a * b);
    }

    /** Bytes of a weight in a step: gradient, weight, and with bf16 the master weight. */
    private static double weights(Shape shape) {
        return shape.dtype() == DType.F32 ? 12 : 14;
    }

    private static double matrix(Shape shape) {
        return shape.dtype().bytes() * elements(shape, "rows", "width");
    }

    /** As {@link #matrix}, for rows of several groups. */
    private static double groups(Shape shape) {
        return shape.countOr("groups", 1) * matrix(shape);
    }

    private static Benchmark moving(
            String name, Count bytes, Roofline roofline, Preparation preparation, Shapes shapes) {
        return new Benchmark(name, Work.bytes(bytes), roofline, preparation, shapes);
    }

    private static Benchmark computing(
            String name, Count flops, Roofline roofline, Preparation preparation, Shapes shapes) {
        return new Benchmark(name, Work.flops(flops), roofline, preparation, shapes);
    }

    /** Log-probs of the LM head by the kernel that keeps no logits in memory. */
    private static Benchmark head(String name, Roofline roofline, Shapes shapes) {
        return computing(name, LmHeadBenchmark::flopsForward, roofline, LmHeadBenchmark::forward, shapes);
    }

    /**
     * Reads the logits of rows that have a target, and writes the gradient of all rows in the same type. The gradient
     * of rows without a target is 0.
     */
    private static Benchmark logits(String name, boolean hasGradient, Preparation preparation) {
        Count elements = s -> TokenLogProbBenchmark.visible(s) * (double) s.at("vocabulary");
        Count written = s -> hasGradient ? elements(s, "rows", "vocabulary") : 0;
        Work work = new Work(
                s -> s.logits().bytes() * (elements.of(s) + written.of(s)), s -> 0, Map.of("elements", elements));
        return new Benchmark(name, work, Roofline.COPY, preparation, LOGITS);
    }

    private static Benchmark sums(String name, Preparation preparation) {
        return moving(
                name,
                s -> 4 * elements(s, "sequences", "tokens"),
                Roofline.NONE,
                preparation,
                onGpu(shapes("sequences 64, tokens 512"), shapes("sequences 4, tokens 7")));
    }

    private static Benchmark rope(String name, Preparation preparation) {
        return moving(
                name,
                s -> 2 * s.dtype().bytes() * elements(s, "rows", "heads", "width"),
                Roofline.COPY,
                preparation,
                onGpu(
                        shapes(
                                "rows 16384, heads 40, width 128, dtype BF16",
                                "rows 16384, heads 16, width 64, dtype BF16",
                                "rows 16384, heads 12, width 64, dtype BF16"),
                        shapes("rows 7, heads 3, width 16, dtype F32", "rows 7, heads 3, width 16, dtype BF16")));
    }

    /** One token of each text. */
    private static Benchmark generation(String name, Shapes shapes) {
        Work work = new Work(GenerationBenchmark::bytes, s -> 0, Map.of("tokens", s -> s.at("sequences")));
        return new Benchmark(name, work, Roofline.READ, GenerationBenchmark::step, shapes);
    }

    /**
     * Counts tokens as if a pair were two sequences, each with the prompt. TRL counts so too, and the number is the
     * same for both layouts.
     */
    private static Benchmark step(String name, Shapes shapes) {
        Work work = new Work(
                s -> 0,
                s -> s.at("pairs") * ModelShape.of(s).flops(s),
                Map.of(
                        "pairs",
                        s -> s.at("pairs"),
                        "tokens",
                        s -> 2.0 * s.at("pairs") * (s.at("prompt") + s.at("completion"))));
        return new Benchmark(name, work, Roofline.SQUARE_PRODUCT, DpoStepBenchmark::step, shapes);
    }

    /**
     * {@code flops} per visible pair of query and key and per element of the head width. Backward counts as 2.5 times
     * forward, as usual.
     */
    private static Benchmark attention(String name, int flops, Preparation preparation) {
        return computing(
                name,
                s -> flops * elements(s, "heads", "width") * AttentionBenchmark.visible(s),
                Roofline.SQUARE_PRODUCT,
                preparation,
                ATTENTION);
    }
}
