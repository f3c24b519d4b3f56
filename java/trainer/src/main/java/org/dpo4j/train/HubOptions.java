package org.dpo4j.train;

import org.dpo4j.io.hub.Hub;
import org.dpo4j.report.Console;
import org.dpo4j.report.RunListener;
import picocli.CommandLine.Option;

/** Whether models and data sets that are named are downloaded. */
public final class HubOptions extends OptionGroup {

    /** Whether the hub is asked for what options name. */
    @Option(
            names = "--download",
            arity = "0..1",
            fallbackValue = "true",
            description =
                    "Download models and data sets that are given by name from the Hugging Face hub into its local"
                            + " cache, if they are not there or a branch has newer files: safetensors, config, tokenizer and chat"
                            + " templates of models, JSON and Parquet files of data sets. Default ${DEFAULT-VALUE}: nothing is"
                            + " requested.")
    boolean download = false;

    /** Downloads for a command, and shows the progress on standard error. */
    public void fetch(Downloadable... named) {
        if (download) {
            try (Console console = Console.errors()) {
                fetch(console, named);
            }
        }
    }

    /** Downloads for a run. Throws {@link java.util.concurrent.CancellationException} if it is cancelled. */
    void fetch(RunListener listener, Downloadable... named) {
        if (download) {
            Hub hub = Hub.open(new DownloadReport(listener));
            for (Downloadable each : named) {
                each.download(hub);
            }
        }
    }
}
