package org.dpo4j.train;

import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import org.dpo4j.kernels.LossType;
import org.dpo4j.kernels.PreferenceOptions.Divergence;
import org.dpo4j.kernels.UnpairedLoss;

/** The values of options of text that take only certain ones, for the option reference and for shell completion. */
final class OptionCandidates {
    private OptionCandidates() {}

    /** Names, which picocli takes as a class without arguments. */
    private abstract static class Names implements Iterable<String> {
        private final List<String> names;

        Names(List<String> names) {
            this.names = names;
        }

        @Override
        public Iterator<String> iterator() {
            return names.iterator();
        }
    }

    /** {@code device}. */
    static final class Devices extends Names {
        Devices() {
            super(List.of("auto", "cuda", "cpu"));
        }
    }

    /** {@code loss_type} of {@code dpo}. */
    static final class Losses extends Names {
        Losses() {
            super(Arrays.stream(LossType.values()).map(LossType::option).toList());
        }
    }

    /** {@code loss_type} of {@code kto}. */
    static final class UnpairedLosses extends Names {
        UnpairedLosses() {
            super(Arrays.stream(UnpairedLoss.Type.values())
                    .map(UnpairedLoss.Type::option)
                    .toList());
        }
    }

    /** {@code report_to}. */
    static final class ReportTargets extends Names {
        ReportTargets() {
            super(List.of("none", "tensorboard", "csv", "mlflow", "all"));
        }
    }

    /** {@code f_divergence_type}. */
    static final class Divergences extends Names {
        Divergences() {
            super(Arrays.stream(Divergence.values()).map(Divergence::option).toList());
        }
    }
}
