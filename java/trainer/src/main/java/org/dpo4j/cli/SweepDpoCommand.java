package org.dpo4j.cli;

import org.dpo4j.train.DpoOptions;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code dpo4j sweep}: a sweep of {@code dpo} runs. */
@Command(
        name = "sweep",
        description = "Train by DPO once for each combination of values of a grid, and compare the runs: a table, and a"
                + " picture of a metric against the KL divergence to the reference.")
final class SweepDpoCommand extends SweepCommand {
    @Mixin
    private final DpoOptions.Builder options = DpoOptions.builder();

    SweepDpoCommand() {
        super(SweepTrainer.DPO);
    }
}
