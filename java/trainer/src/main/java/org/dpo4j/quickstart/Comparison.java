package org.dpo4j.quickstart;

import java.util.List;
import java.util.Locale;

/**
 * Samples of the model before and after DPO, on held-out prompts.
 *
 * @param before one sample per prompt of the reference, which was trained only on the corpus
 * @param after one sample per prompt of the model trained by {@code dpo}
 * @param logRatios log after(x) - log before(x) of the sample after and of that before, for each prompt
 * @param kl estimate of KL(after || before) in nats per review: the mean of log after(x) - log before(x) over {@code
 *     after}
 */
public record Comparison(List<Sample> before, List<Sample> after, double[] logRatios, double kl) {
    private static final int SHOWN = 4;

    /** Mean sentiment before, from -1 to 1. */
    public double sentimentBefore() {
        return Sample.meanSentiment(before);
    }

    /** Mean sentiment after. */
    public double sentimentAfter() {
        return Sample.meanSentiment(after);
    }

    /** Mean sentiment and KL of both models. */
    String scores() {
        return String.format(Locale.ROOT, """
                          mean sentiment   KL to the reference
            before: sft   %14.3f   %19.3f
            after:  dpo   %14.3f   %19.3f
            %d held-out prompts; sentiment from -1 to 1, KL in nats per review
            """, sentimentBefore(), 0.0, sentimentAfter(), kl, before.size());
    }

    /** The scores, then a few samples of both models side by side. */
    @Override
    public String toString() {
        SideBySide samples = new SideBySide("before: sft", "after: dpo");
        for (int i = 0; i < Math.min(SHOWN, before.size()); i++) {
            samples.add(shown(before.get(i)), shown(after.get(i)));
            samples.rule();
        }
        return scores() + "\n" + samples;
    }

    private static String shown(Sample sample) {
        return String.format(Locale.ROOT, "[%+.2f] %s", sample.sentiment(), sample.text());
    }
}
