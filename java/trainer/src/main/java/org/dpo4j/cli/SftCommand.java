package org.dpo4j.cli;

import java.util.concurrent.Callable;
import org.dpo4j.train.SftOptions;
import org.dpo4j.train.SftTrainer;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code dpo4j sft}: trains a model on texts, or on prompts with completions. */
@Command(name = "sft", description = "Train a model on texts, or on prompts with completions.", sortOptions = false)
final class SftCommand implements Callable<Integer> {
    @Mixin
    private final SftOptions.Builder options = SftOptions.builder();

    @Override
    public Integer call() {
        return StopSignals.duringRun(listener -> SftTrainer.train(options.build(), listener));
    }
}
