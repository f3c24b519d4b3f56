package org.dpo4j.cli;

import java.util.concurrent.Callable;
import org.dpo4j.train.KtoOptions;
import org.dpo4j.train.KtoTrainer;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code dpo4j kto}: trains a model on completions that were each judged good or bad. */
@Command(
        name = "kto",
        description = "Train a model on completions that were each judged good or bad.",
        sortOptions = false)
final class KtoCommand implements Callable<Integer> {
    @Mixin
    private final KtoOptions.Builder options = KtoOptions.builder();

    @Override
    public Integer call() {
        return StopSignals.duringRun(listener -> KtoTrainer.train(options.build(), listener));
    }
}
