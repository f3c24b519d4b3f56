package org.dpo4j.cli;

import java.util.List;
import java.util.function.BiFunction;
import java.util.function.Function;
import org.dpo4j.report.Metrics;
import org.dpo4j.report.RunListener;
import org.dpo4j.train.DpoOptions;
import org.dpo4j.train.DpoTrainer;
import org.dpo4j.train.KlEstimate;
import org.dpo4j.train.KtoOptions;
import org.dpo4j.train.KtoTrainer;
import org.dpo4j.train.SftOptions;
import org.dpo4j.train.SftTrainer;
import org.dpo4j.train.TrainOptions;

/** What the runs of a sweep train by. */
enum SweepTrainer {
    DPO("dpo", "sweep", "eval_rewards/accuracies") {
        @Override
        Object builder() {
            return DpoOptions.builder();
        }

        @Override
        Training build(Object builder) {
            DpoOptions options = ((DpoOptions.Builder) builder).build();
            return new Training(
                    options.train(),
                    listener -> DpoTrainer.train(options, listener),
                    (sampling, listener) -> KlEstimate.measure(options, sampling, listener));
        }
    },
    KTO("kto", "sweep-kto", "eval_rewards/margins") {
        @Override
        Object builder() {
            return KtoOptions.builder();
        }

        @Override
        Training build(Object builder) {
            KtoOptions options = ((KtoOptions.Builder) builder).build();
            return new Training(
                    options.train(),
                    listener -> KtoTrainer.train(options, listener),
                    (sampling, listener) -> KlEstimate.measure(options, sampling, listener));
        }
    },
    SFT("sft", "sweep-sft", "eval_loss") {
        @Override
        Object builder() {
            return SftOptions.builder();
        }

        @Override
        Training build(Object builder) {
            SftOptions options = ((SftOptions.Builder) builder).build();
            return new Training(
                    options.train(),
                    listener -> SftTrainer.train(options, listener),
                    (sampling, listener) -> KlEstimate.measure(options, sampling, listener));
        }
    };

    /**
     * A run that can be trained.
     *
     * @param options those that all trainers share
     * @param run trains and returns the lines of metrics
     * @param kl measures the trained model
     */
    record Training(
            TrainOptions options,
            Function<RunListener, List<Metrics>> run,
            BiFunction<KlEstimate.Sampling, RunListener, KlEstimate> kl) {}

    private final String command;
    private final String sweep;
    private final String frontierMetric;

    SweepTrainer(String command, String sweep, String frontierMetric) {
        this.command = command;
        this.sweep = sweep;
        this.frontierMetric = frontierMetric;
    }

    /** A new builder, whose options picocli sets. */
    abstract Object builder();

    /** Builds the options of a {@link #builder}. Throws, naming the option, if one is refused. */
    abstract Training build(Object builder);

    /** The command that trains one run. */
    String command() {
        return command;
    }

    /** The command that trains a sweep. */
    String sweep() {
        return sweep;
    }

    /** The metric of {@code frontier_metric}, unless it is given. */
    String frontierMetric() {
        return frontierMetric;
    }
}
