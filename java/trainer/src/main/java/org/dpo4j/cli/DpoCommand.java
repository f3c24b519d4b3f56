package org.dpo4j.cli;

import java.util.concurrent.Callable;
import org.dpo4j.train.DpoOptions;
import org.dpo4j.train.DpoTrainer;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code dpo4j dpo}: trains a model on preference pairs. */
@Command(
        name = "dpo",
        description = "Train a model on preference pairs by Direct Preference Optimization.",
        sortOptions = false)
final class DpoCommand implements Callable<Integer> {
    @Mixin
    private final DpoOptions.Builder options = DpoOptions.builder();

    @Override
    public Integer call() {
        return StopSignals.duringRun(listener -> DpoTrainer.train(options.build(), listener));
    }
}
