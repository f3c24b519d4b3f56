package org.dpo4j.kernels;

import java.util.Arrays;
import java.util.stream.Collectors;
import org.dpo4j.kernels.internal.LossTrait;

/**
 * A preference loss, under the name of TRL's {@code loss_type} if TRL has it.
 *
 * <p>Symbols: {@code _c} chosen, {@code _r} rejected; {@code pi}, {@code ref}: log-prob of a completion, summed over
 * its tokens, under the policy and the reference; {@code u = pi - ref}; {@code s(u)}: score of the {@link
 * PreferenceOptions.Divergence}, by default {@code u}; {@code D = s(u_c) - s(u_r)}; {@code n}: tokens of a completion;
 * {@code b}: beta; {@code e}: label smoothing; {@code ls}: log sigmoid; {@code sg}: sigmoid.
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
    /** {@code -ls(b u_c - d) - ls(-(b u_r - d))}, {@code d}: running mean of rewards, or 0: Jung et al. 2024. */
    BCO_PAIR(6, "bco_pair"),
    /** {@code (u_c - 1/(2b))^2 + (u_r + 1/(2b))^2}: Wu et al. 2024, equation 4.7. */
    SPPO_HARD(7, "sppo_hard"),
    /**
     * {@link #SIGMOID} with {@code D = sort(pi_c - pi_r) - sort(ref_c - ref_r)} over the pairs of a call: Melnyk et al.
     * 2024.
     */
    AOT(8, "aot"),
    /** {@link #SIGMOID} with {@code D = sort(u_c) - sort(u_r)} over the pairs of a call: Melnyk et al. 2024. */
    AOT_UNPAIRED(9, "aot_unpaired"),
    /** {@code 1 - sg(b u_c) + sg(b u_r)}: D'Oosterlinck et al. 2024, equation 7. */
    APO_ZERO(10, "apo_zero"),
    /** {@code sg(b u_c) + 1 - sg(b (u_c - u_r))}: D'Oosterlinck et al. 2024, equation 8. */
    APO_DOWN(11, "apo_down"),
    /** {@code -ls(bD) (1-m) + exp(-bD) m}, {@code m = sg(bD/tau)}: Lu et al. 2024, equation 5. */
    DISCOPOP(12, "discopop"),
    /** Cross entropy of the chosen completions: {@code -pi_c}, divided by the chosen tokens of the optimizer step. */
    SFT(13, "sft"),
    /** {@code -ls(b (s(u_c)/n_c - s(u_r)/n_r))}: Lambert et al. 2024 (Tulu 3). */
    SIGMOID_NORM(14, "sigmoid_norm"),
    /** {@code -ls(b (u_c - u_r - lambda max(0, ref_c - pi_c)))}: Pal et al. 2024, equation 4. */
    DPOP(15, "dpop"),
    /** {@code -ls(b (u_c - u_r)) + lambda max(0, ref_c - pi_c)}: the penalty is outside, as in some trainers. */
    DPOP_ADDITIVE(16, "dpop_additive"),
    /**
     * {@code -(1-e) ls(x) - e ls(-x)}, {@code x = b (pi_c - pi_r)}: Xu et al. 2024, equation 3, without its SFT term.
     */
    CPO(17, "cpo"),
    /** {@code max(0, 1 - b (pi_c - pi_r))}. */
    CPO_HINGE(18, "cpo_hinge"),
    /** {@code (pi_c/n_c - pi_r/n_r - 1/(2b))^2}. */
    CPO_IPO(19, "cpo_ipo"),
    /** {@link #CPO} with {@code x = b (pi_c/n_c - pi_r/n_r) - gamma}: Meng et al. 2024, equation 6. */
    SIMPO(20, "simpo"),
    /** {@link #SIMPO} with {@code (1 - p^-alpha)/alpha}, {@code p = exp(pi/n)}, for {@code pi/n}: Gupta et al. 2025. */
    ALPHAPO(21, "alphapo"),
    /**
     * {@code -b ls(log odds_c - log odds_r)}, {@code odds = p/(1-p)}, {@code p = exp(pi/n)}: Hong et al. 2024, without
     * its SFT term.
     */
    ORPO(22, "orpo");

    /** How a loss reduces the log-probs of tokens. */
    public enum Reduction {
        /** The sum over each completion. */
        SUM,
        /** The mean over each completion; needs lengths. */
        AVERAGE,
        /** The mean over all chosen tokens of an optimizer step. */
        TOKENS,
        /** The sum over each completion, sorted over the pairs of a call. */
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

    /** The name of this loss in {@code loss_type}. */
    public String option() {
        return option;
    }

    private boolean has(LossTrait trait) {
        return LossTrait.has(code, trait.bit());
    }

    /** Whether it reads log-probs of a reference model. */
    public boolean hasReference() {
        return has(LossTrait.REFERENCE);
    }

    /** Whether it is undefined without a reference model. */
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

    /** Whether pairs can have weights: see {@link PreferenceOptions.Builder#weighting}. */
    public boolean hasWeighting() {
        return has(LossTrait.WEIGHTING);
    }

    /** Whether it reads the running mean of rewards. */
    public boolean hasRunningMean() {
        return has(LossTrait.RUNNING_MEAN);
    }

    /** How it reduces the log-probs of tokens. */
    public Reduction reduction() {
        if (has(LossTrait.SORTS_PAIRS)) {
            return Reduction.BATCH;
        }
        if (has(LossTrait.TOKEN_SCALE)) {
            return Reduction.TOKENS;
        }
        return has(LossTrait.LENGTHS) ? Reduction.AVERAGE : Reduction.SUM;
    }

    /**
     * Returns the loss with this name in {@code loss_type}. Throws if the name is unknown, and lists the known ones.
     */
    public static LossType fromOption(String option) {
        for (LossType type : values()) {
            if (type.option.equals(option)) {
                return type;
            }
        }
        String known = Arrays.stream(values()).map(LossType::option).collect(Collectors.joining(", "));
        throw new Dpo4jException("loss_type " + option + " is not supported: use one of " + known);
    }
}
