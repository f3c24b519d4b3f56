package org.dpo4j.train;

import java.nio.file.Path;
import org.dpo4j.model.SaveFormat;
import org.dpo4j.model.SavedDtype;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The output directory of a run, and the format of the model in it. */
public final class OutputOptions extends OptionGroup {

    /** Directory for the trained model and {@code metrics.jsonl}. */
    @Option(names = "--output_dir", description = "Required. Directory for the trained model and metrics.jsonl.")
    @Nullable
    Path outputDir;

    /** Whether to replace a model that is already in the directory. */
    @Option(
            names = "--overwrite_output_dir",
            arity = "0..1",
            fallbackValue = "true",
            description = "Replace a model that is already in output_dir.")
    boolean overwriteOutputDir = false;

    /** Storage of the saved weights; null: of each tensor as in the files of {@code model_name_or_path}. */
    @Option(
            names = "--save_dtype",
            description =
                    "Storage of the saved weights: ${COMPLETION-CANDIDATES}; default: of each tensor as in the files of"
                            + " model_name_or_path.")
    @Nullable
    SavedDtype saveDtype;

    /** Max size of a file of saved weights, as transformers' {@code save_pretrained} takes it. */
    @Option(
            names = "--max_shard_size",
            description = "Max size of a file of saved weights, such as 5GB; default ${DEFAULT-VALUE}.")
    String maxShardSize = SaveFormat.DEFAULT_MAX_SHARD_SIZE;

    /** How the model is saved. Throws if {@code max_shard_size} is no size. */
    SaveFormat saveFormat() {
        return new SaveFormat(saveDtype, SaveFormat.parseSize(maxShardSize));
    }

    /** Whether a directory is given. */
    public boolean hasDirectory() {
        return outputDir != null;
    }

    Path directory() {
        return required("output_dir", outputDir);
    }
}
