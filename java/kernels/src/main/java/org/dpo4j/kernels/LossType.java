package org.dpo4j.kernels;

import java.util.Arrays;
import java.util.stream.Collectors;
import org.dpo4j.kernels.internal.LossTrait;

/**
 * A preference loss, by the name TRL's {@code loss_type} gives it where it has one.
 *
 * <p>{@code pi}, {@code ref}: sums of log-probs of a completion; {@code u = pi - ref}; {@code s(u)} the score of the
 * {@link PreferenceOptions.Divergence}, {@code u} itself unless chosen otherwise; {@code D = s(u_c) - s(u_r)}; {@code
 * n}: tokens of a completion; {@code b}: beta; {@code e}: label smoothing; {@code ls} = log sigmoid, {@code sg} =
 * sigmoid. Each loss divides by tokens or does not; that is no property of the batch.
 */
public enum LossType {
    /** {@code -(1-e) ls(bD) - e ls(-bD)}: Rafailov et al. 2023, equation 7; conservative DPO with {@code e > 0}. */
    SIGMOID(0, "sigmoid"),
    /** {@code max(0, 1 - bD)}: Zhao et al. 2023. */
    HINGE(1, "hinge"),
    /** {@code (s(u_c)/n_c - s(u_r)/n_r - 1/(2b))^2}: Azar et al. 2023, equation 17. */
    IPO(2, "ipo"),
    /** {@code sg(bD) (ls(bD) - log(1-e)) + sg(-bD) (ls(-bD) - log e)}, {@code e > 0}: Ji et al. 2024, equation 16. */
    EXO_PAIR(3, "exo_pair"),
    /** {@code -ls(b u_c) - ls(-b u_c)/2 - ls(-b u_r)/2}: Chen et al. 2024. */
    NCA_PAIR(4, "nca_pair"),
    /** {@code (-(1-e) ls(bD) + e ls(-bD)) / (1-2e)}: Chowdhury et al. 2024. */
    ROBUST(5, "robust"),
    /** {@code -ls(b u_c - d) - ls(-(b u_r - d))}, {@code d} the running mean of rewards or 0: Jung et al. 2024. */
    BCO_PAIR(6, "bco_pair"),
    /** {@code (u_c - 1/(2b))^2 + (u_r + 1/(2b))^2}: Wu et al. 2024, equation 4.7. */
    SPPO_HARD(7, "sppo_hard"),
    /** Sigmoid's of {@code sort(pi_c - pi_r) - sort(ref_c - ref_r)} over the pairs of a call: Melnyk et al. 2024. */
    AOT(8, "aot"),
    /** Sigmoid's of {@code sort(u_c) - sort(u_r)} over the pairs of a call: Melnyk et al. 2024. */
    AOT_UNPAIRED(9, "aot_unpaired"),
    /** {@code 1 - sg(b u_c) + sg(b u_r)}: D'Oosterlinck et al. 2024, equation 7. */
    APO_ZERO(10, "apo_zero"),
    /** {@code sg(b u_c) + 1 - sg(b (u_c - u_r))}: D'Oosterlinck et al. 2024, equation 8. */
    APO_DOWN(11, "apo_down"),
    /** {@code -ls(bD) (1-m) + exp(-bD) m}, {@code m = sg(bD/tau)}: Lu et al. 2024, equation 5. */
    DISCOPOP(12, "discopop"),
    /** Cross entropy of the chosen completions, a mean over their tokens. */
    SFT(13, "sft"),
    /** {@code -ls(b (s_c/n_c - s_r/n_r))}: Lambert et al. 2024. */
    SIGMOID_NORM(14, "sigmoid_norm"),
    /** {@code -ls(b (u_c - u_r - lambda max(0, ref_c - pi_c)))}: Pal et al. 2024, equation 4. */
    DPOP(15, "dpop"),
    /** {@code -ls(b (u_c - u_r)) + lambda max(0, ref_c - pi_c)}: the penalty outside, as some trainers have it. */
    DPOP_ADDITIVE(16, "dpop_additive"),
    /** {@code -(1-e) ls(x) - e ls(-x)}, {@code x = b (pi_c - pi_r)}: Xu et al. 2024, equation 3, without its SFT term. */
    CPO(17, "cpo"),
    /** {@code max(0, 1 - b (pi_c - pi_r))}. */
    CPO_HINGE(18, "cpo_hinge"),
    /** {@code (pi_c/n_c - pi_r/n_r - 1/(2b))^2}. */
    CPO_IPO(19, "cpo_ipo"),
    /** As CPO with {@code x = b (pi_c/n_c - pi_r/n_r) - gamma}: Meng et al. 2024, equation 6. */
    SIMPO(20, "simpo"),
    /** SimPO's of {@code (1 - p^-alpha)/alpha}, {@code p = exp(pi/n)}: Gupta et al. 2025. */
    ALPHAPO(21, "alphapo"),
    /** {@code -b ls(log odds_c - log odds_r)}, {@code odds = p/(1-p)}, {@code p = exp(pi/n)}: Hong et al. 2024, without its SFT term. */
    ORPO(22, "orpo");

    /** What a loss takes of the log-probs of a completion's tokens. */
    public enum Reduction {
        /** Their sum. */
        SUM,
        /** Their mean: lengths are needed. */
        AVERAGE,
        /** Their mean over all chosen completions of an optimizer step. */
        TOKENS,
        /** Their sums, sorted over the pairs of a call. */
        BATCH
    }

    private final int code;
    private final String option;

    LossType(int code, String option) {
        this.code = code;
        this.option = option;
    }

    /** The {@code dpo4j_loss} of the C header. */
    public int code() {
        return code;
    }

    /** The value of {@code loss_type} that means this loss. */
    public String option() {
        return option;
    }

    private boolean has(LossTrait trait) {
        return LossTrait.has(code, trait.bit());
    }

    /** Whether it measures from a reference model. */
    public boolean hasReference() {
        return has(LossTrait.REFERENCE);
    }

    /** Whether it has no reference-free form. */
    public boolean needsReference() {
        return has(LossTrait.NEEDS_REFERENCE);
    }

    /** Whether every {@link PreferenceOptions.Divergence} is defined for it. */
    public boolean hasDivergences() {
        return has(LossTrait.DIVERGENCE);
    }

    /** Whether it reads label smoothing. */
    public boolean hasSmoothing() {
        return has(LossTrait.SMOOTHING);
    }

    /** Whether its pairs can be weighted. */
    public boolean hasWeighting() {
        return has(LossTrait.WEIGHTING);
    }

    /** Whether it reads the running mean of rewards. */
    public boolean hasRunningMean() {
        return has(LossTrait.RUNNING_MEAN);
    }

    /** What it takes of the log-probs of tokens; each loss its own, whatever else is summed with it. */
    public Reduction reduction() {
        if (has(LossTrait.SORTS_PAIRS)) {
            return Reduction.BATCH;
        }
        if (has(LossTrait.TOKEN_SCALE)) {
            return Reduction.TOKENS;
        }
        return has(LossTrait.LENGTHS) ? Reduction.AVERAGE : Reduction.SUM;
    }

    /** The loss that an option names. An unknown name throws, listing the known ones. */
    public static LossType of(String option) {
        for (LossType type : values()) {
            if (type.option.equals(option)) {
                return type;
            }
        }
        String known = Arrays.stream(values()).map(LossType::option).collect(Collectors.joining(", "));
        throw new Dpo4jException("loss_type " + option + " is not supported: use one of " + known);
    }
}
