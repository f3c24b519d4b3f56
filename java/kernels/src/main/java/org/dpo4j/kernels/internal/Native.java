package org.dpo4j.kernels.internal;

import java.nio.ByteBuffer;
import org.bytedeco.javacpp.annotation.Cast;
import org.bytedeco.javacpp.annotation.NoException;
import org.bytedeco.javacpp.annotation.Platform;
import org.jspecify.annotations.Nullable;

/**
 * The functions of {@code native/dpo4j.h} under their C names. JavaCPP generates the bridge at build time.
 *
 * <p>Addresses are {@code long}, also those of structs ({@link StructWriter}). Output parameters are arrays of one
 * element. Nothing is checked here. Call {@link NativeLibrary#load} first.
 */
@NoException
@Platform(include = "dpo4j.h", link = "dpo4j", library = "jnidpo4j")
public final class Native {
    private Native() {}

    public static native int dpo4j_abi_version();

    public static native String dpo4j_build_info();

    public static native int dpo4j_struct_layout(
            @Nullable String name, @Cast("char*") byte[] text, @Cast("size_t") long textBytes);

    public static native int dpo4j_cpu_isa_best();

    public static native int dpo4j_cuda_device_count(
            int[] count, @Cast("char*") byte[] text, @Cast("size_t") long textBytes);

    public static native int dpo4j_cuda_device_info(
            int ordinal,
            @Cast("char*") byte[] name,
            @Cast("size_t") long nameBytes,
            int[] capability,
            @Cast("int64_t*") long[] memoryBytes,
            int[] driverVersion,
            @Cast("char*") byte[] text,
            @Cast("size_t") long textBytes);

    public static native int dpo4j_cuda_max_cluster(
            int ordinal, int[] blocks, @Cast("char*") byte[] text, @Cast("size_t") long textBytes);

    public static native void dpo4j_cuda_describe_failure(
            int error, String call, @Cast("char*") byte[] text, @Cast("size_t") long textBytes);

    public static native int dpo4j_cuda_check_kernels(
            String names, @Cast("char*") byte[] text, @Cast("size_t") long textBytes);

    public static native int dpo4j_cpu_context_create(@Cast("dpo4j_context**") long[] context, int threads, int isa);

    public static native int dpo4j_cuda_context_create(
            @Cast("dpo4j_context**") long[] context,
            int ordinal,
            @Cast("void*") long stream,
            String without,
            int residentClusters,
            @Cast("char*") byte[] text,
            @Cast("size_t") long textBytes);

    public static native int dpo4j_cuda_has_kernel(@Cast("const dpo4j_context*") long context, String name);

    public static native void dpo4j_context_destroy(@Cast("dpo4j_context*") long context);

    public static native String dpo4j_error_text(@Cast("const dpo4j_context*") long context);

    public static native @Cast("void*") long dpo4j_host_allocate(@Cast("size_t") long bytes);

    public static native void dpo4j_host_free(@Cast("void*") long address);

    public static native void dpo4j_host_copy(
            @Cast("void*") long destination, @Cast("const void*") long source, @Cast("size_t") long bytes);

    public static native void dpo4j_host_copy(
            @Cast("void*") long destination, @Cast("const void*") ByteBuffer source, @Cast("size_t") long bytes);

    public static native void dpo4j_host_copy(
            @Cast("void*") ByteBuffer destination, @Cast("const void*") long source, @Cast("size_t") long bytes);

    public static native void dpo4j_host_fill(@Cast("void*") long destination, int value, @Cast("size_t") long bytes);

    public static native int dpo4j_matmul_library(
            String path, @Cast("char*") byte[] text, @Cast("size_t") long textBytes);

    public static native int dpo4j_library_version(
            String path, @Cast("char*") byte[] text, @Cast("size_t") long textBytes);

    public static native int dpo4j_matmul(
            @Cast("dpo4j_context*") long context, @Cast("const dpo4j_matmul_params*") long params);

    public static native int dpo4j_embedding_forward(
            @Cast("dpo4j_context*") long context, @Cast("const dpo4j_embedding_forward_params*") long params);

    public static native int dpo4j_embedding_backward(
            @Cast("dpo4j_context*") long context, @Cast("const dpo4j_embedding_backward_params*") long params);

    public static native int dpo4j_copy_rows(
            @Cast("dpo4j_context*") long context, @Cast("const dpo4j_copy_rows_params*") long params);

    public static native int dpo4j_rms_norm_forward(
            @Cast("dpo4j_context*") long context, @Cast("const dpo4j_rms_norm_forward_params*") long params);

    public static native @Cast("size_t") long dpo4j_rms_norm_backward_workspace_bytes(long rows, long width);

    public static native int dpo4j_rms_norm_backward(
            @Cast("dpo4j_context*") long context, @Cast("const dpo4j_rms_norm_backward_params*") long params);

    public static native int dpo4j_layer_norm_forward(
            @Cast("dpo4j_context*") long context, @Cast("const dpo4j_layer_norm_forward_params*") long params);

    public static native @Cast("size_t") long dpo4j_layer_norm_backward_workspace_bytes(long rows, long width);

    public static native int dpo4j_layer_norm_backward(
            @Cast("dpo4j_context*") long context, @Cast("const dpo4j_layer_norm_backward_params*") long params);

    public static native int dpo4j_rope_forward(
            @Cast("dpo4j_context*") long context, @Cast("const dpo4j_rope_params*") long params);

    public static native int dpo4j_rope_backward(
            @Cast("dpo4j_context*") long context, @Cast("const dpo4j_rope_params*") long params);

    public static native @Cast("size_t") long dpo4j_attention_forward_workspace_bytes();

    public static native @Cast("size_t") long dpo4j_attention_decode_workspace_bytes(
            long segmentCount, long heads, long headWidth, long maxKeys);

    public static native int dpo4j_attention_forward(
            @Cast("dpo4j_context*") long context, @Cast("const dpo4j_attention_forward_params*") long params);

    public static native @Cast("size_t") long dpo4j_attention_backward_workspace_bytes(
            @Cast("const dpo4j_context*") long context,
            long queryRows,
            long heads,
            long kvHeads,
            long headWidth,
            int dtype);

    public static native int dpo4j_attention_backward(
            @Cast("dpo4j_context*") long context, @Cast("const dpo4j_attention_backward_params*") long params);

    public static native int dpo4j_activation_forward(
            @Cast("dpo4j_context*") long context, @Cast("const dpo4j_activation_forward_params*") long params);

    public static native int dpo4j_activation_backward(
            @Cast("dpo4j_context*") long context, @Cast("const dpo4j_activation_backward_params*") long params);

    public static native int dpo4j_residual_forward(
            @Cast("dpo4j_context*") long context, @Cast("const dpo4j_residual_forward_params*") long params);

    public static native int dpo4j_pack_panels(
            @Cast("dpo4j_context*") long context, @Cast("const dpo4j_pack_panels_params*") long params);

    public static native @Cast("bool") boolean dpo4j_has_panels(
            @Cast("const dpo4j_context*") long context, long rows, long columns, int dtype);

    public static native int dpo4j_scale_rows(
            @Cast("dpo4j_context*") long context, @Cast("const dpo4j_scale_rows_params*") long params);

    public static native int dpo4j_sample_tokens(
            @Cast("dpo4j_context*") long context, @Cast("const dpo4j_sample_tokens_params*") long params);

    public static native int dpo4j_token_logprob_forward(
            @Cast("dpo4j_context*") long context, @Cast("const dpo4j_token_logprob_forward_params*") long params);

    public static native int dpo4j_token_logprob_backward(
            @Cast("dpo4j_context*") long context, @Cast("const dpo4j_token_logprob_backward_params*") long params);

    public static native int dpo4j_token_logprob_forward_backward(
            @Cast("dpo4j_context*") long context,
            @Cast("const dpo4j_token_logprob_forward_backward_params*") long params);

    public static native @Cast("bool") boolean dpo4j_token_logprob_narrows_in_place(
            @Cast("const dpo4j_context*") long context, long vocabulary);

    public static native int dpo4j_column_sum(
            @Cast("dpo4j_context*") long context, @Cast("const dpo4j_column_sum_params*") long params);

    public static native String dpo4j_lm_head_forward_lacks(@Cast("const dpo4j_context*") long context, int dtype);

    public static native @Cast("size_t") long dpo4j_lm_head_forward_workspace_bytes(long rows, long vocabulary);

    public static native int dpo4j_lm_head_forward(
            @Cast("dpo4j_context*") long context, @Cast("const dpo4j_lm_head_forward_params*") long params);

    public static native String dpo4j_lm_head_exponentials_lacks(@Cast("const dpo4j_context*") long context, int dtype);

    public static native @Cast("size_t") long dpo4j_lm_head_exponentials_workspace_bytes(long rows, long vocabulary);

    public static native int dpo4j_lm_head_exponentials(
            @Cast("dpo4j_context*") long context, @Cast("const dpo4j_lm_head_exponentials_params*") long params);

    public static native int dpo4j_sequence_sum_forward(
            @Cast("dpo4j_context*") long context, @Cast("const dpo4j_sequence_sum_forward_params*") long params);

    public static native int dpo4j_sequence_sum_backward(
            @Cast("dpo4j_context*") long context, @Cast("const dpo4j_sequence_sum_backward_params*") long params);

    public static native int dpo4j_loss_traits(int loss);

    public static native int dpo4j_preference_check(
            @Cast("const dpo4j_preference*") long preference,
            @Cast("char*") byte[] text,
            @Cast("size_t") long textBytes);

    public static native @Cast("size_t") long dpo4j_preference_loss_workspace_bytes(
            long pairs, @Cast("const dpo4j_preference*") long preference);

    public static native int dpo4j_preference_loss(
            @Cast("dpo4j_context*") long context, @Cast("const dpo4j_preference_loss_params*") long params);

    public static native int dpo4j_unpaired_loss(
            @Cast("dpo4j_context*") long context, @Cast("const dpo4j_unpaired_loss_params*") long params);

    public static native @Cast("size_t") long dpo4j_gradient_norm_workspace_bytes(long count);

    public static native int dpo4j_gradient_norm(
            @Cast("dpo4j_context*") long context, @Cast("const dpo4j_gradient_norm_params*") long params);

    public static native int dpo4j_count_step(
            @Cast("dpo4j_context*") long context, @Cast("const dpo4j_count_step_params*") long params);

    public static native int dpo4j_adamw(
            @Cast("dpo4j_context*") long context, @Cast("const dpo4j_adamw_params*") long params);

    public static native int dpo4j_adamw_8bit(
            @Cast("dpo4j_context*") long context, @Cast("const dpo4j_adamw_8bit_params*") long params);

    public static native int dpo4j_sgd(
            @Cast("dpo4j_context*") long context, @Cast("const dpo4j_sgd_params*") long params);

    public static native int dpo4j_rmsprop(
            @Cast("dpo4j_context*") long context, @Cast("const dpo4j_rmsprop_params*") long params);

    public static native int dpo4j_lion(
            @Cast("dpo4j_context*") long context, @Cast("const dpo4j_lion_params*") long params);

    public static native int dpo4j_lerp(
            @Cast("dpo4j_context*") long context, @Cast("const dpo4j_lerp_params*") long params);

    public static native int dpo4j_uniform_noise(
            @Cast("dpo4j_context*") long context, @Cast("const dpo4j_uniform_noise_params*") long params);

    public static native int dpo4j_quantize_4bit(
            @Cast("dpo4j_context*") long context, @Cast("const dpo4j_quantize_4bit_params*") long params);

    public static native int dpo4j_dequantize_4bit(
            @Cast("dpo4j_context*") long context, @Cast("const dpo4j_dequantize_4bit_params*") long params);
}
