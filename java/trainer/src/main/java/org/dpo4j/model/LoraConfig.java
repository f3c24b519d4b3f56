package org.dpo4j.model;

import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;
import org.dpo4j.kernels.Dpo4jException;

/**
 * Which LoRA adapters a model has (Hu et al. 2021), in the terms of PEFT's {@code LoraConfig}: a module {@code y = x W^T}
 * becomes {@code y = x W^T + scale (x A^T) B^T} with A[rank, in] and B[out, rank]. There is no dropout, and W and all biases
 * are frozen.
 *
 * @param rank {@code r}
 * @param alpha {@code lora_alpha}
 * @param targets {@code target_modules}
 * @param isRankStabilized {@code use_rslora}: whether the scale is {@code alpha / sqrt(rank)} (Kalajdzievski 2023), not
 *     {@code alpha / rank}
 * @param rankPattern {@code rank_pattern}: ranks of some modules, by a regular expression for the end of their names; the
 *     first that matches counts
 * @param alphaPattern {@code alpha_pattern}: likewise
 */
public record LoraConfig(
        int rank,
        double alpha,
        LoraTargets targets,
        boolean isRankStabilized,
        Map<String, Integer> rankPattern,
        Map<String, Double> alphaPattern) {
    /** A rank above this is a mistake: the adapter would be larger than most matrices. */
    private static final int MAX_RANK = 1 << 16;

    public LoraConfig {
        checkRank("r", rank);
        checkAlpha("lora_alpha", alpha);
        rankPattern = new LinkedHashMap<>(rankPattern);
        alphaPattern = new LinkedHashMap<>(alphaPattern);
        rankPattern.forEach((pattern, value) -> {
            checkPattern("rank_pattern", pattern);
            checkRank("rank_pattern " + pattern, value);
        });
        alphaPattern.forEach((pattern, value) -> {
            checkPattern("alpha_pattern", pattern);
            checkAlpha("alpha_pattern " + pattern, value);
        });
    }

    /** Adapters of the modules with these names. */
    public LoraConfig(int rank, double alpha, List<String> targets) {
        this(rank, alpha, LoraTargets.named(targets), false, Map.of(), Map.of());
    }

    private static void checkRank(String name, int rank) {
        if (rank < 1 || rank > MAX_RANK) {
            throw new Dpo4jException(name + " is " + rank + "; a rank from 1 to " + MAX_RANK + " is expected");
        }
    }

    private static void checkAlpha(String name, double alpha) {
        if (!(alpha > 0 && alpha <= Float.MAX_VALUE)) {
            throw new Dpo4jException(name + " is " + alpha + "; a number above 0 is expected");
        }
    }

    private static void checkPattern(String name, String pattern) {
        try {
            Pattern.compile(pattern);
        } catch (PatternSyntaxException e) {
            throw new Dpo4jException(
                    name + " has \"" + pattern + "\", which is not a regular expression: " + e.getDescription(), e);
        }
    }

    /** The rank of a module. */
    int rank(String module) {
        return value(rankPattern, module, rank);
    }

    /** The factor of B A of a module. */
    float scale(String module) {
        double of = value(alphaPattern, module, alpha);
        return (float) (of / (isRankStabilized ? Math.sqrt(rank(module)) : rank(module)));
    }

    /** Throws if a pattern matches none of the modules that have adapters, so that it would change nothing. */
    void requireMatches(Collection<String> modules) {
        requireMatches("rank_pattern", rankPattern.keySet(), modules);
        requireMatches("alpha_pattern", alphaPattern.keySet(), modules);
    }

    private static void requireMatches(String name, Collection<String> patterns, Collection<String> modules) {
        for (String pattern : patterns) {
            if (modules.stream().noneMatch(module -> isMatched(pattern, module))) {
                throw new Dpo4jException(
                        name + " has " + pattern + ", which matches no module that has an adapter, such as "
                                + modules.iterator().next() + "; correct it, or leave it out");
            }
        }
    }

    private static boolean isMatched(String pattern, String module) {
        return Pattern.matches("(.*\\.)?(" + pattern + ")", module);
    }

    private static <T> T value(Map<String, T> patterns, String module, T otherwise) {
        return patterns.entrySet().stream()
                .filter(each -> isMatched(each.getKey(), module))
                .map(Map.Entry::getValue)
                .findFirst()
                .orElse(otherwise);
    }

    /** The config without words that only a file needs: {@code r 16, lora_alpha 32, target_modules q_proj,v_proj}. */
    @Override
    public String toString() {
        return "r " + rank + ", lora_alpha " + (alpha == Math.rint(alpha) ? Long.toString((long) alpha) : "" + alpha)
                + ", target_modules " + targets + (isRankStabilized ? ", use_rslora" : "")
                + (rankPattern.isEmpty() ? "" : ", rank_pattern " + rankPattern)
                + (alphaPattern.isEmpty() ? "" : ", alpha_pattern " + alphaPattern);
    }
}
