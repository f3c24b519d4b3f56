package org.dpo4j.data.source;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a user named as rows.
 *
 * @param path a file, a directory, a pattern of file names, {@code -} for standard input, or the name of a data set in
 *     the local cache of the Hugging Face hub
 * @param config name of one of the data set's configurations; null for the default one
 * @param split name of a split; null for the default one of {@code use}
 * @param dataDir the only directory to read, relative to {@code path}; null for all
 * @param dataFiles patterns of the files to read, relative to {@code path}; empty for those of the split
 * @param use what the rows are for
 */
public record DatasetRequest(
        String path,
        @Nullable String config,
        @Nullable String split,
        @Nullable String dataDir,
        List<String> dataFiles,
        Use use) {

    /** What rows are for: which split is the default, and which option names another. */
    public enum Use {
        /** The rows to train on. */
        TRAIN("train", "dataset_train_split"),
        /** The rows to evaluate on. */
        EVAL("test", "dataset_test_split"),
        /** The rows of a pipe to train and to evaluate on. They are read once, so the pipe must not have splits. */
        BOTH("train", "dataset_train_split"),
        /** A part of a mixture. */
        PART("train", "split");

        final String split;
        final String option;

        Use(String split, String option) {
            this.split = split;
            this.option = option;
        }
    }

    /** The rows of a path, of its default split if it has several. */
    public static DatasetRequest named(String path, Use use) {
        return new DatasetRequest(path, null, null, null, List.of(), use);
    }

    DatasetRequest withFiles(List<String> patterns) {
        return new DatasetRequest(path, config, split, dataDir, patterns, use);
    }
}
