package org.dpo4j.bench.device;

import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.dpo4j.bench.device.Benchmark.Shapes;

/**
 * Shapes that several benchmarks share, or that one of {@link Benchmarks} has many of. The shapes of a list are measured in its order, and
 * a run may end early, so those with a goal come first.
 */
final class BenchmarkShapes {
    static final Shapes LOGITS = new Shapes(
            shapes(
                    "rows 16384, vocabulary 128256, logits BF16",
                    "rows 8192, vocabulary 32000, logits BF16",
                    "rows 16384, vocabulary 8192, logits BF16",
                    "rows 16384, vocabulary 2048, logits BF16",
                    "rows 16384, vocabulary 151936, logits BF16",
                    "rows 16384, vocabulary 128256, logits F32",
                    "rows 16384, vocabulary 128256, logits BF16, masked half",
                    "rows 8192, vocabulary 32000, logits F32",
                    "rows 16384, vocabulary 151936, logits F32",
                    "rows 16384, vocabulary 128256, logits BF16, statistics 1"),
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
                    "rows 9, vocabulary 520, logits BF16",
                    "rows 8, vocabulary 208, logits F32, masked half",
                    "rows 5, vocabulary 208, logits BF16, statistics 1"));

    static final Shapes ROWS = onGpu(
            shapes(
                    "rows 16384, width 4096, dtype BF16",
                    "rows 16384, width 896, dtype BF16",
                    "rows 16384, width 2048, dtype BF16",
                    "rows 16384, width 576, dtype BF16"),
            rowsTiny());

    /** The last are the norms of Qwen3-8B's queries, in rows of queries, keys and values, with Gemma's offset. */
    static final Shapes RMS_NORM = onGpu(
            shapes(
                    "rows 16384, width 4096, dtype BF16",
                    "rows 16384, width 896, dtype BF16",
                    "rows 16384, width 2048, dtype BF16",
                    "rows 16384, width 576, dtype BF16",
                    "rows 16384, groups 32, width 128, x_stride 5120, out_stride 6144, weight_offset 1, dtype BF16"),
            shapes(
                    "rows 9, width 40, dtype F32",
                    "rows 9, width 40, dtype BF16",
                    "rows 9, groups 3, width 16, x_stride 64, out_stride 80, weight_offset 1, dtype F32"));

    static final Shapes ATTENTION = onGpu(
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

    static final Shapes DECODE = onGpu(
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

    static final Shapes GENERATION = onGpu(
            shapes(
                    "model qwen2-0.5b, sequences 1, context 4096, dtype BF16",
                    "model qwen2-0.5b, sequences 64, context 4096, dtype BF16",
                    "model qwen2-0.5b, sequences 1, context 32768, dtype BF16",
                    "model qwen2-0.5b, sequences 1, context 128, dtype BF16",
                    "model qwen2-0.5b, sequences 16, context 4096, dtype BF16",
                    "model qwen2-0.5b, sequences 64, context 128, dtype BF16"),
            shapes(
                    "model tiny, sequences 1, context 5, dtype F32",
                    "model tiny, sequences 3, context 270, dtype BF16"));

    static final Shapes GENERATION_8B = onGpu(
            shapes(
                    "model llama3-8b, sequences 1, context 4096, dtype BF16",
                    "model llama3-8b, sequences 16, context 4096, dtype BF16"),
            shapes("model tiny, sequences 2, context 9, dtype BF16"));

    static final Shapes HEAD = new Shapes(
            shapes(
                    "rows 8192, vocabulary 32000, hidden 4096, dtype BF16",
                    "rows 4096, vocabulary 128256, hidden 4096, dtype BF16",
                    "rows 8192, vocabulary 128256, hidden 4096, dtype BF16",
                    "rows 16384, vocabulary 128256, hidden 4096, dtype BF16",
                    "rows 16384, vocabulary 151936, hidden 896, dtype BF16"),
            shapes("rows 1536, vocabulary 32000, hidden 256, dtype F32"),
            shapes("rows 6, vocabulary 101, hidden 16, dtype F32", "rows 6, vocabulary 101, hidden 16, dtype BF16"));
    /** For operations that no CPU has. */
    static final Shapes FUSED_HEAD = onGpu(HEAD.gpu(), shapes("rows 6, vocabulary 101, hidden 16, dtype BF16"));

    /** For variants of these, which are compared with them at few shapes. */
    static final Shapes FUSED_HEAD_VARIANTS = onGpu(
            shapes(
                    "rows 8192, vocabulary 128256, hidden 4096, dtype BF16",
                    "rows 16384, vocabulary 151936, hidden 896, dtype BF16"),
            shapes("rows 6, vocabulary 101, hidden 16, dtype BF16"));

    static final Shapes PARAMETERS = onGpu(
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

    static final Shapes WEIGHTS = onGpu(
            shapes("count 134217728, dtype BF16", "count 134217728, dtype F32"),
            shapes("count 1003, dtype F32", "count 1003, dtype BF16"));

    static final Shapes STEP = onGpu(
            shapes(
                    "layout shared, model qwen2-0.5b, pairs 8, prompt 1024, completion 512, dtype BF16",
                    "layout plain, model qwen2-0.5b, pairs 8, prompt 1024, completion 512, dtype BF16"),
            shapes(
                    "layout shared, model tiny, pairs 2, prompt 8, completion 4, dtype F32",
                    "layout plain, model tiny, pairs 2, prompt 8, completion 4, dtype F32",
                    "layout shared, model tiny, pairs 2, prompt 8, completion 4, dtype BF16"));
    /** 16 Ki rows a step, in micro-batches whose activations leave room for weights, gradients and moments in 130 GB. */
    static final Shapes STEP_8B = onGpu(
            shapes("layout shared, model llama3-8b, pairs 8, micro_batch 4, prompt 1024, completion 512, dtype BF16,"
                    + " rounding stochastic, moments BF16"),
            shapes("layout shared, model tiny, pairs 4, micro_batch 2, prompt 8, completion 4, dtype BF16,"
                    + " rounding stochastic, moments BF16"));

    /** 4 Ki rows a step. */
    static final Shapes LORA_STEP_8B = onGpu(
            shapes(
                    "layout shared, model llama3-8b, pairs 4, prompt 512, completion 256, adapter 16, dtype BF16",
                    "layout shared, model llama3-8b, pairs 4, prompt 512, completion 256, adapter 16, bits 4,"
                            + " activations recomputed, dtype BF16"),
            shapes(
                    "layout shared, model tiny, pairs 2, prompt 8, completion 4, adapter 4, dtype BF16",
                    "layout shared, model tiny, pairs 2, prompt 8, completion 4, adapter 4, bits 4,"
                            + " activations recomputed, dtype F32"));

    static final Shapes MEMORY = new Shapes(
            shapes("bytes 1073741824"),
            shapes("bytes 1048576", "bytes 67108864", "bytes 268435456"),
            shapes("bytes 65536"));
    static final Shapes PRODUCTS = onGpu(
            shapes(
                    "product forward, rows 16384, in 4096, out 14336, dtype BF16",
                    "product forward, rows 1, in 4096, out 4096, few 1, dtype BF16",
                    "product forward, rows 64, in 4096, out 4096, few 1, dtype BF16",
                    "product forward, rows 64, in 4096, out 4096, dtype BF16",
                    "product forward, rows 16, in 4096, out 4096, few 1, dtype BF16",
                    "product input_gradient, rows 16384, in 4096, out 14336, dtype BF16",
                    "product weight_gradient, rows 16384, in 4096, out 14336, dtype BF16",
                    "product forward, rows 4096, in 4096, out 48, dtype BF16",
                    "product forward, rows 4096, in 16, out 14336, dtype BF16",
                    "product weight_gradient, rows 4096, in 4096, out 48, dtype BF16",
                    "product forward, rows 16384, in 896, out 4864, dtype BF16",
                    "product forward, rows 16384, in 896, out 1152, bias 1, dtype BF16",
                    "product weight_gradient, rows 16384, in 896, out 4864, dtype BF16",
                    "product forward, rows 1024, in 4096, out 4096, dtype BF16",
                    "product forward, rows 4096, in 4096, out 4096, few 1, dtype BF16"),
            shapes(
                    "product forward, rows 9, in 16, out 24, dtype F32",
                    "product forward, rows 9, in 16, out 24, bias 1, dtype F32",
                    "product input_gradient, rows 9, in 16, out 24, dtype F32",
                    "product weight_gradient, rows 9, in 16, out 24, dtype F32"));
    static final Shapes ACTIVATION = onGpu(
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
    static final Shapes EMBEDDING = onGpu(
            shapes(
                    "rows 16384, width 4096, vocabulary 128256, dtype BF16",
                    "rows 16384, width 4096, vocabulary 128256, scale 64, dtype BF16",
                    "rows 16384, width 896, vocabulary 151936, dtype BF16"),
            shapes(
                    "rows 8, width 40, vocabulary 37, dtype F32",
                    "rows 8, width 40, vocabulary 37, scale 6, dtype F32"));
    /**
     * As the trainer calls it, with as many ranges as rows, most of them empty; and with one index that occurs more often than the others. Then
     * the shapes of forward.
     */
    static final Shapes EMBEDDING_BACKWARD = onGpu(
            before(
                    EMBEDDING.gpu(),
                    "rows 16384, width 4096, vocabulary 128256, empty 12288, dtype BF16",
                    "rows 16384, width 4096, vocabulary 128256, frequent 1024, dtype BF16"),
            before(
                    EMBEDDING.tiny(),
                    "rows 8, width 40, vocabulary 37, empty 70, dtype F32",
                    "rows 168, width 40, vocabulary 37, frequent 160, dtype F32"));

    static final Shapes SAMPLING = new Shapes(
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

    private BenchmarkShapes() {}

    static List<Shape> shapes(String... texts) {
        return Arrays.stream(texts).map(Shape::of).toList();
    }

    /** For operations that are not measured on a CPU. */
    static Shapes onGpu(List<Shape> gpu, List<Shape> tiny) {
        return new Shapes(gpu, List.of(), tiny);
    }

    static List<Shape> rowsTiny() {
        return shapes("rows 9, width 40, dtype F32", "rows 9, width 40, dtype BF16");
    }

    private static List<Shape> before(List<Shape> shapes, String... more) {
        return Stream.concat(shapes(more).stream(), shapes.stream()).toList();
    }
}
