package org.dpo4j.examples;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Checks the output of EmbedKernels: the loss and an element of its gradient, computed here in double precision from
 * the same logits.
 */
final class EmbedKernelsOutput {
    private EmbedKernelsOutput() {}

    /** Checks that {@code printed} begins with the right lines; returns what follows them. */
    static String check(String printed) {
        double chosen = logProb(0, 3) + logProb(1, 1);
        double rejected = logProb(2, 4) + logProb(3, 15);
        double margin = 0.1 * (chosen + 9 - (rejected + 5));
        double loss = Math.log1p(Math.exp(-margin));
        double gradient = -0.1 / (1 + Math.exp(margin)) * (1 - Math.exp(logProb(0, 3)));
        Matcher lines = Pattern.compile("loss (\\S+)\nd loss / d logits\\[0, 3] (\\S+)\n(.*)", Pattern.DOTALL)
                .matcher(printed);
        assertThat(lines.matches()).as(printed).isTrue();
        // Six digits are printed. The error of fp32 is a hundredth of the last digit.
        assertThat(Double.parseDouble(lines.group(1))).isCloseTo(loss, within(0.51e-6));
        assertThat(Double.parseDouble(lines.group(2))).isCloseTo(gradient, within(0.51e-6));
        return lines.group(3);
    }

    private static double logProb(int row, int target) {
        double sum = 0;
        for (int j = 0; j < 16; j++) {
            sum += Math.exp(logit(row, j));
        }
        return logit(row, target) - Math.log(sum);
    }

    private static double logit(int row, int column) {
        int i = 16 * row + column;
        return i % 7 - i % 5;
    }
}
