package org.dpo4j.cli;

import org.dpo4j.train.SftOptions;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code dpo4j sweep-sft}: a sweep of {@code sft} runs. */
@Command(
        name = "sweep-sft",
        description =
                "Train by supervised fine-tuning once for each combination of values of a grid, and compare the runs: a table, and a"
                        + " picture of a metric against the KL divergence to the reference.")
final class SweepSftCommand extends SweepCommand {
    @Mixin
    private final SftOptions.Builder options = SftOptions.builder();

    SweepSftCommand() {
        super(SweepTrainer.SFT);
    }
}
