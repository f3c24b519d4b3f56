package org.dpo4j.train;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The output directory of a run. */
public final class OutputOptions extends OptionGroup {

    /** Directory for the trained model and {@code metrics.jsonl}. */
    @Option(names = "--output_dir", description = "Directory for the trained model and metrics.jsonl.")
    @Nullable
    Path outputDir;

    /** Whether to replace a model that is already in the directory. */
    @Option(
            names = "--overwrite_output_dir",
            arity = "0..1",
            fallbackValue = "true",
            description = "Replace a model that is already in output_dir.")
    boolean overwriteOutputDir = false;

    Path directory() {
        return required("output_dir", outputDir);
    }
}
