package org.dpo4j.bench.device;

import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Which benchmarks each peer has a counterpart of, as {@code bench/peers/gpu.py} defines them (a test compares the two). Starting a peer imports its
 * libraries, which takes seconds of a GPU machine's time, so a peer that has nothing of a run is not started.
 */
final class Counterparts {
    private static final List<String> TORCH = List.of(
            "matmul",
            "token_logprob_forward",
            "token_logprob_backward",
            "token_logprob_forward_backward",
            "lm_head_forward",
            "lm_head_forward_backward",
            "preference_loss",
            "rms_norm_forward",
            "rms_norm_backward",
            "residual_forward",
            "rope_forward",
            "swiglu_forward",
            "swiglu_backward",
            "attention_forward",
            "attention_backward",
            "embedding_forward",
            "embedding_backward",
            "copy_rows",
            "scale_rows",
            "gradient_norm",
            "adamw");

    private static final List<String> NOT_COMPILED =
            List.of("matmul", "preference_loss", "copy_rows", "adamw", "embedding_backward");

    /** By the name of the peer, in the order in which they are asked. */
    static final Map<String, Set<String>> BY_PEER = byPeer();

    private Counterparts() {}

    private static Map<String, Set<String>> byPeer() {
        Map<String, Set<String>> peers = new LinkedHashMap<>();
        Set<String> compiled = new LinkedHashSet<>(TORCH);
        compiled.removeAll(Set.copyOf(NOT_COMPILED));
        peers.put("eager", new LinkedHashSet<>(TORCH));
        peers.put("compile", compiled);
        peers.put(
                "liger",
                Set.of(
                        "token_logprob_forward_backward",
                        "lm_head_forward_backward",
                        "rms_norm_forward",
                        "swiglu_forward"));
        peers.put(
                "trl",
                Set.of(
                        "token_logprob_forward",
                        "token_logprob_backward",
                        "token_logprob_forward_backward",
                        "lm_head_forward",
                        "lm_head_forward_backward",
                        "dpo_step"));
        return peers;
    }

    /** Whether a peer has one of these. */
    static boolean hasAny(String peer, Collection<String> benchmarks) {
        return benchmarks.stream().anyMatch(BY_PEER.getOrDefault(peer, Set.of())::contains);
    }
}
