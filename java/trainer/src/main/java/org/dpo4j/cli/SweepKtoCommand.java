package org.dpo4j.cli;

import org.dpo4j.train.KtoOptions;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code dpo4j sweep-kto}: a sweep of {@code kto} runs. */
@Command(
        name = "sweep-kto",
        description = "Train by KTO once for each combination of values of a grid, and compare the runs: a table, and a"
                + " picture of a metric against the KL divergence to the reference.")
final class SweepKtoCommand extends SweepCommand {
    @Mixin
    private final KtoOptions.Builder options = KtoOptions.builder();

    SweepKtoCommand() {
        super(SweepTrainer.KTO);
    }
}
