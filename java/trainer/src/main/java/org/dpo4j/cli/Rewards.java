package org.dpo4j.cli;

/**
 * The rewards that a policy gives implicitly (Rafailov et al. 2023, eq. 5): beta (log-prob - reference log-prob), without
 * the part that depends on the prompt alone.
 */
record Rewards(double beta, CompletionLogProbs policy, CompletionLogProbs reference) {

    /** Of a completion. */
    double reward(int completion) {
        return beta * ((double) policy.sums()[completion] - reference.sums()[completion]);
    }

    /** Of each token of a completion; their sum is its reward, up to rounding. */
    double[] tokenRewards(int completion) {
        float[] logProbs = policy.tokens().get(completion);
        float[] references = reference.tokens().get(completion);
        double[] rewards = new double[logProbs.length];
        for (int i = 0; i < rewards.length; i++) {
            rewards[i] = beta * ((double) logProbs[i] - references[i]);
        }
        return rewards;
    }

    /** Reward of the chosen minus reward of the rejected completion, of each pair. */
    double[] margins() {
        double[] margins = new double[policy.sums().length / 2];
        for (int pair = 0; pair < margins.length; pair++) {
            margins[pair] = reward(2 * pair) - reward(2 * pair + 1);
        }
        return margins;
    }

    /** Mean over the completions {@code first}, {@code first + step}, ... */
    double mean(int first, int step) {
        double sum = 0;
        int count = 0;
        for (int completion = first; completion < policy.sums().length; completion += step) {
            sum += reward(completion);
            count++;
        }
        return sum / count;
    }
}
