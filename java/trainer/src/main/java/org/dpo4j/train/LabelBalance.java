package org.dpo4j.train;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;
import org.dpo4j.data.UnpairedCompletion;
import org.dpo4j.kernels.UnpairedLoss;
import org.jspecify.annotations.Nullable;

/**
 * How many rows are desirable and undesirable.
 *
 * @param desirable number of desirable rows
 * @param undesirable number of undesirable rows
 */
record LabelBalance(long desirable, long undesirable) {

    static LabelBalance of(List<UnpairedCompletion> rows) {
        long desirable = IntStream.range(0, rows.size())
                .filter(row -> UnpairedCompletion.outline(rows, row).isDesirable())
                .count();
        return new LabelBalance(desirable, rows.size() - desirable);
    }

    /**
     * Advice on the weights if there are more rows of one label and no weight makes up for it; else null. The ranges are
     * those of equation 8 of Ethayarajh et al. 2024, as TRL 1.16 computes and rounds them: {@code desirable rows x
     * desirable_weight} is 1 to 4/3 (TRL: 1.33) of {@code undesirable rows x undesirable_weight}.
     */
    @Nullable
    String advice(UnpairedLoss.Options weights) {
        double good = Math.max(desirable, 1);
        double bad = Math.max(undesirable, 1);
        if (good == bad) {
            return null;
        }
        double ofDesirable = bad * weights.undesirableWeight() / good;
        double ofUndesirable = good * weights.desirableWeight() / bad;
        double[] desirableRange = {rounded(ofDesirable), rounded(ofDesirable * 1.33)};
        double[] undesirableRange = {rounded(ofUndesirable / 1.33), rounded(ofUndesirable)};
        if (isWithin(weights.desirableWeight(), desirableRange)
                || isWithin(weights.undesirableWeight(), undesirableRange)) {
            return null;
        }
        return String.format(
                Locale.ROOT,
                "%,d rows are desirable and %,d undesirable; the paper of kto recommends desirable_weight from %s to %s,"
                        + " or undesirable_weight from %s to %s; set one of the two",
                desirable,
                undesirable,
                desirableRange[0],
                desirableRange[1],
                undesirableRange[0],
                undesirableRange[1]);
    }

    private static boolean isWithin(double weight, double[] range) {
        return weight >= range[0] && weight <= range[1];
    }

    /** Two decimals, as Python's {@code round}. */
    private static double rounded(double value) {
        return new BigDecimal(value).setScale(2, RoundingMode.HALF_EVEN).doubleValue();
    }
}
