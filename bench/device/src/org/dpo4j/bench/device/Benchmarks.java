package org.dpo4j.bench.device;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
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
    private static final Shapes LOGITS = new Shapes(
            shapes(
                    "rows 8192, vocabulary 32000, logits BF16",
                    "rows 8192, vocabulary 32000, logits F32",
                    "rows 16384, vocabulary 128256, logits BF16",
                    "rows 16384, vocabulary 128256, logits BF16, masked half",
                    "rows 16384, vocabulary 128256, logits F32",
                    "rows 16384, vocabulary 151936, logits BF16",
                    "rows 16384, vocabulary 151936, logits F32"),
            // 1, 64 and 256 MiB: the first fits in the L2 of a core, the last comes from memory.
            shapes(
                    "rows 8, vocabulary 32000, logits F32",
                    "rows 524, vocabulary 32000, logits F32",
                    "rows 2097, vocabulary 32000, logits F32",
                    "rows 441, vocabulary 151936, logits F32",
                    "rows 16, vocabulary 32000, logits BF16",
                    "rows 1048, vocabulary 32000, logits BF16",
                    "rows 4194, vocabulary 32000, logits BF16",
                    "rows 883, vocabulary 151936, logits BF16"),
            shapes(
                    "rows 5, vocabulary 208, logits BF16",
                    "rows 5, vocabulary 208, logits F32",
                    "rows 8, vocabulary 208, logits F32, masked half"));

    private static final Shapes ROWS = onGpu(
            shapes(
                    "rows 16384, width 4096, dtype BF16",
                    "rows 16384, width 2048, dtype BF16",
                    "rows 16384, width 896, dtype BF16",
                    "rows 16384, width 576, dtype BF16"),
            rowsTiny());

    /** The last are the norms of Qwen3-8B's queries, in rows of queries, keys and values, with Gemma's offset. */
    private static final Shapes RMS_NORM = onGpu(
            shapes(
                    "rows 16384, width 4096, dtype BF16",
                    "rows 16384, width 2048, dtype BF16",
                    "rows 16384, width 896, dtype BF16",
                    "rows 16384, width 576, dtype BF16",
                    "rows 16384, groups 32, width 128, x_stride 5120, out_stride 6144, weight_offset 1, dtype BF16"),
            shapes(
                    "rows 9, width 40, dtype F32",
                    "rows 9, width 40, dtype BF16",
                    "rows 9, groups 3, width 16, x_stride 64, out_stride 80, weight_offset 1, dtype F32"));

    private static final Shapes ATTENTION = onGpu(
            shapes(
                    "layout causal, sequences 4, tokens 4096, heads 32, kv_heads 8, width 128, dtype BF16",
                    "layout causal, sequences 2, tokens 8192, heads 32, kv_heads 8, width 128, dtype BF16",
                    "layout causal, sequences 4, tokens 4096, heads 14, kv_heads 2, width 64, dtype BF16",
                    "layout mixed, sequences 8, tokens 4096, heads 32, kv_heads 8, width 128, dtype BF16",
                    "layout causal, sequences 2, tokens 8192, heads 32, kv_heads 8, width 128, window 1024, dtype BF16",
                    "layout causal, sequences 4, tokens 4096, heads 16, kv_heads 8, width 256, soft_cap 50, dtype BF16",
                    "layout shared, pairs 8, prompt 1024, completion 512, heads 32, kv_heads 8, width 128, dtype BF16",
                    "layout plain, pairs 8, prompt 1024, completion 512, heads 32, kv_heads 8, width 128, dtype BF16"),
            shapes(
                    "layout causal, sequences 2, tokens 21, heads 4, kv_heads 2, width 16, dtype F32",
                    "layout mixed, sequences 4, tokens 24, heads 4, kv_heads 2, width 16, dtype BF16",
                    "layout shared, pairs 2, prompt 9, completion 5, heads 4, kv_heads 2, width 16, window 6,"
                            + " soft_cap 2, dtype F32",
                    "layout shared, pairs 2, prompt 9, completion 5, heads 4, kv_heads 2, width 16, dtype BF16"));

    private static final Shapes DECODE = onGpu(
            shapes(
                    "sequences 1, context 4096, heads 32, kv_heads 8, width 128, dtype BF16",
                    "sequences 1, context 32768, heads 32, kv_heads 8, width 128, dtype BF16",
                    "sequences 1, context 32768, heads 14, kv_heads 2, width 64, dtype BF16",
                    "sequences 16, context 4096, heads 32, kv_heads 8, width 128, dtype BF16",
                    "sequences 16, context 32768, heads 32, kv_heads 8, width 128, dtype BF16",
                    "sequences 64, context 128, heads 32, kv_heads 8, width 128, dtype BF16",
                    "sequences 64, context 4096, heads 32, kv_heads 8, width 128, dtype BF16",
                    "sequences 64, context 4096, heads 14, kv_heads 2, width 64, dtype BF16",
                    "sequences 16, context 8192, heads 16, kv_heads 8, width 256, window 4096, soft_cap 50, dtype BF16",
                    "sequences 16, context 4096, heads 32, kv_heads 8, width 128, dtype F32"),
            shapes(
                    "sequences 3, context 21, heads 4, kv_heads 2, width 16, dtype F32",
                    "sequences 2, context 300, heads 4, kv_heads 2, width 16, window 280, soft_cap 2, dtype F32",
                    "sequences 2, context 300, heads 4, kv_heads 2, width 16, dtype BF16"));

    private static final Shapes GENERATION = onGpu(
            shapes(
                    "model qwen2-0.5b, sequences 1, context 128, dtype BF16",
                    "model qwen2-0.5b, sequences 1, context 4096, dtype BF16",
                    "model qwen2-0.5b, sequences 1, context 32768, dtype BF16",
                    "model qwen2-0.5b, sequences 16, context 4096, dtype BF16",
                    "model qwen2-0.5b, sequences 64, context 128, dtype BF16",
                    "model qwen2-0.5b, sequences 64, context 4096, dtype BF16"),
            shapes(
                    "model tiny, sequences 1, context 5, dtype F32",
                    "model tiny, sequences 3, context 270, dtype BF16"));

    private static final Shapes GENERATION_8B = onGpu(
            shapes(
                    "model llama3-8b, sequences 1, context 4096, dtype BF16",
                    "model llama3-8b, sequences 16, context 4096, dtype BF16"),
            shapes("model tiny, sequences 2, context 9, dtype BF16"));

    private static final Shapes HEAD = new Shapes(
            shapes(
                    "rows 8192, vocabulary 32000, hidden 4096, dtype BF16",
                    "rows 4096, vocabulary 128256, hidden 4096, dtype BF16",
                    "rows 8192, vocabulary 128256, hidden 4096, dtype BF16",
                    "rows 16384, vocabulary 128256, hidden 4096, dtype BF16",
                    "rows 16384, vocabulary 151936, hidden 896, dtype BF16"),
            shapes("rows 1536, vocabulary 32000, hidden 256, dtype F32"),
            shapes("rows 6, vocabulary 101, hidden 16, dtype F32", "rows 6, vocabulary 101, hidden 16, dtype BF16"));
    /** For operations that no CPU has. */
    private static final Shapes FUSED_HEAD = onGpu(HEAD.gpu(), shapes("rows 6, vocabulary 101, hidden 16, dtype BF16"));

    private static final Shapes PARAMETERS = onGpu(
            shapes(
                    "count 134217728, dtype BF16",
                    "count 134217728, dtype BF16, rounding stochastic",
                    "count 134217728, dtype BF16, rounding stochastic, moments BF16",
                    "count 134217728, dtype F32"),
            shapes(
                    "count 1003, dtype F32",
                    "count 1003, dtype BF16",
                    "count 1003, dtype BF16, rounding stochastic",
                    "count 1003, dtype BF16, rounding stochastic, moments BF16"));

    private static final Shapes WEIGHTS = onGpu(
            shapes("count 134217728, dtype BF16", "count 134217728, dtype F32"),
            shapes("count 1003, dtype F32", "count 1003, dtype BF16"));

    private static final Shapes STEP = onGpu(
            shapes(
                    "layout shared, model qwen2-0.5b, pairs 8, prompt 1024, completion 512, dtype BF16",
                    "layout plain, model qwen2-0.5b, pairs 8, prompt 1024, completion 512, dtype BF16"),
            shapes(
                    "layout shared, model tiny, pairs 2, prompt 8, completion 4, dtype F32",
                    "layout plain, model tiny, pairs 2, prompt 8, completion 4, dtype F32",
                    "layout shared, model tiny, pairs 2, prompt 8, completion 4, dtype BF16"));
    /** 16 Ki rows a step, in micro-batches whose activations leave room for weights, gradients and moments in 130 GB. */
    private static final Shapes STEP_8B = onGpu(
            shapes("layout shared, model llama3-8b, pairs 8, micro_batch 4, prompt 1024, completion 512, dtype BF16,"
                    + " rounding stochastic, moments BF16"),
            shapes("layout shared, model tiny, pairs 4, micro_batch 2, prompt 8, completion 4, dtype BF16,"
                    + " rounding stochastic, moments BF16"));

    /** 4 Ki rows a step. */
    private static final Shapes LORA_STEP_8B = onGpu(
            shapes(
                    "layout shared, model llama3-8b, pairs 4, prompt 512, completion 256, adapter 16, dtype BF16",
                    "layout shared, model llama3-8b, pairs 4, prompt 512, completion 256, adapter 16, bits 4,"
                            + " activations recomputed, dtype BF16"),
            shapes(
                    "layout shared, model tiny, pairs 2, prompt 8, completion 4, adapter 4, dtype BF16",
                    "layout shared, model tiny, pairs 2, prompt 8, completion 4, adapter 4, bits 4,"
                            + " activations recomputed, dtype F32"));

    private static final Shapes MEMORY = new Shapes(
            shapes("bytes 1073741824"),
            shapes("bytes 1048576", "bytes 67108864", "bytes 268435456"),
            shapes("bytes 65536"));
    private static final Shapes PRODUCTS = onGpu(
            shapes(
                    "product forward, rows 16384, in 4096, out 14336, dtype BF16",
                    "product input_gradient, rows 16384, in 4096, out 14336, dtype BF16",
                    "product weight_gradient, rows 16384, in 4096, out 14336, dtype BF16",
                    "product forward, rows 4096, in 4096, out 48, dtype BF16",
                    "product forward, rows 4096, in 16, out 14336, dtype BF16",
                    "product weight_gradient, rows 4096, in 4096, out 48, dtype BF16",
                    "product forward, rows 16384, in 896, out 4864, dtype BF16",
                    "product forward, rows 16384, in 896, out 1152, bias 1, dtype BF16",
                    "product weight_gradient, rows 16384, in 896, out 4864, dtype BF16",
                    "product forward, rows 1024, in 4096, out 4096, dtype BF16",
                    "product forward, rows 64, in 4096, out 4096, dtype BF16",
                    "product forward, rows 64, in 4096, out 4096, few 1, dtype BF16",
                    "product forward, rows 16, in 4096, out 4096, few 1, dtype BF16",
                    "product forward, rows 1, in 4096, out 4096, few 1, dtype BF16",
                    "product forward, rows 4096, in 4096, out 4096, few 1, dtype BF16"),
            shapes(
                    "product forward, rows 9, in 16, out 24, dtype F32",
                    "product forward, rows 9, in 16, out 24, bias 1, dtype F32",
                    "product input_gradient, rows 9, in 16, out 24, dtype F32",
                    "product weight_gradient, rows 9, in 16, out 24, dtype F32"));
    private static final Shapes ACTIVATION = onGpu(
            shapes(
                    "rows 16384, width 14336, kind silu, inputs 2, dtype BF16",
                    "rows 16384, width 4864, kind silu, inputs 2, dtype BF16",
                    "rows 16384, width 1536, kind silu, inputs 2, dtype BF16",
                    "rows 16384, width 9216, kind gelu_tanh, inputs 2, dtype BF16",
                    "rows 16384, width 3072, kind gelu_tanh, inputs 1, dtype BF16",
                    "rows 16384, width 10240, kind gelu_erf, inputs 1, dtype BF16"),
            shapes(
                    "rows 9, width 40, kind silu, inputs 2, dtype F32",
                    "rows 9, width 40, kind gelu_tanh, inputs 2, dtype BF16",
                    "rows 9, width 40, kind gelu_erf, inputs 1, dtype F32"));
    private static final Shapes EMBEDDING = onGpu(
            shapes(
                    "rows 16384, width 4096, vocabulary 128256, dtype BF16",
                    "rows 16384, width 4096, vocabulary 128256, scale 64, dtype BF16",
                    "rows 16384, width 896, vocabulary 151936, dtype BF16"),
            shapes(
                    "rows 8, width 40, vocabulary 37, dtype F32",
                    "rows 8, width 40, vocabulary 37, scale 6, dtype F32"));
    /** The same, and one index that occurs more often than the others. */
    private static final Shapes EMBEDDING_BACKWARD = onGpu(
            added(EMBEDDING.gpu(), "rows 16384, width 4096, vocabulary 128256, frequent 1024, dtype BF16"),
            added(EMBEDDING.tiny(), "rows 168, width 40, vocabulary 37, frequent 160, dtype F32"));

    private static final Shapes SAMPLING = new Shapes(
            shapes(
                    "rows 1, vocabulary 151936, choice greedy",
                    "rows 1, vocabulary 151936, choice softmax",
                    "rows 1, vocabulary 151936, choice top",
                    "rows 128, vocabulary 151936, choice top"),
            shapes(
                    "rows 8, vocabulary 32000, choice greedy",
                    "rows 8, vocabulary 32000, choice softmax",
                    "rows 8, vocabulary 32000, choice top"),
            shapes(
                    "rows 3, vocabulary 200, choice greedy",
                    "rows 3, vocabulary 200, choice softmax",
                    "rows 3, vocabulary 200, choice top"));

    /**
     * All benchmarks in the order in which they run: rooflines first, then the kernels whose speed is least certain, so
     * that a run that ends early has measured those.
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
                    s -> 28 * s.at("pairs"),
                    Roofline.NONE,
                    PreferenceLossBenchmark::sigmoidOfPairs,
                    new Shapes(
                            shapes("pairs 4096", "pairs 32", "pairs 8", "pairs 1"),
                            shapes("pairs 4096", "pairs 8"),
                            shapes("pairs 8", "pairs 33"))),
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
                                    "rows 1024, width 128256, dtype BF16",
                                    "rows 16384, width 4096, dtype BF16",
                                    "rows 16384, width 2048, dtype BF16",
                                    "rows 16384, width 896, dtype BF16",
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

    private static List<Shape> shapes(String... texts) {
        return Arrays.stream(texts).map(Shape::of).toList();
    }

    private static List<Shape> added(List<Shape> shapes, String more) {
        return Stream.concat(shapes.stream(), Stream.of(Shape.of(more))).toList();
    }

    private static List<Shape> rowsTiny() {
        return shapes("rows 9, width 40, dtype F32", "rows 9, width 40, dtype BF16");
    }

    private static Shapes onGpu(List<Shape> gpu, List<Shape> tiny) {
        return new Shapes(gpu, List.of(), tiny);
    }

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
