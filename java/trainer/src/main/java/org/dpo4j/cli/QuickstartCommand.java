package org.dpo4j.cli;

import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.dpo4j.quickstart.Comparison;
import org.dpo4j.quickstart.SentimentExperiment;
import org.dpo4j.quickstart.Size;
import org.dpo4j.report.Console;
import org.dpo4j.train.DeviceOptions;
import org.dpo4j.train.SeedOptions;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code dpo4j quickstart}: runs a small experiment from a made-up corpus to a model trained by DPO. */
@Command(
        name = "quickstart",
        description = "Make a corpus, train a small model on it, train it by DPO to prefer its better samples, and"
                + " compare before and after.")
final class QuickstartCommand implements Callable<Integer> {
    @Option(names = "--output_dir", description = "Directory for all files it writes; default ${DEFAULT-VALUE}.")
    private Path outputDir = Path.of("output", "quickstart");

    @Mixin
    private final DeviceOptions device = new DeviceOptions();

    @Mixin
    private final SeedOptions seeds = new SeedOptions(1);

    @Override
    public Integer call() {
        try (Console console = Console.standard()) {
            Comparison comparison =
                    new SentimentExperiment(outputDir, device.name(), seeds.seed(), Size.QUICKSTART, console).run();
            System.out.printf(
                    "%n%s%nAll files are in %s. Its README.md has the command of each step; open %s in a browser.%n",
                    comparison, outputDir, outputDir.resolve("dpo").resolve("report.html"));
        }
        return 0;
    }
}
