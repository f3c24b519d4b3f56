# The kernel sources. nvcc compiles them (CMakeLists.txt here) and, for tests, the host compiler (tests/emulation).
set(DPO4J_KERNEL_SOURCES
    adamw.cu
    attention_backward.cu
    attention_backward_mma.cu
    attention_backward_sm90a.cu
    attention_forward.cu
    attention_forward_mma.cu
    attention_forward_sm90a.cu
    column_sum.cu
    copy_rows.cu
    embedding.cu
    gradient_norm.cu
    lm_head_forward_sm90a.cu
    preference_loss.cu
    residual.cu
    rms_norm.cu
    rope.cu
    runtime.cu
    sample_tokens.cu
    scale_rows.cu
    sequence_sum.cu
    swiglu.cu
    token_logprob_backward.cu
    token_logprob_forward.cu
    token_logprob_forward_backward.cu
    unpaired_loss.cu)
list(TRANSFORM DPO4J_KERNEL_SOURCES PREPEND "${CMAKE_CURRENT_LIST_DIR}/")
