package org.dpo4j.data.source;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Pattern;
import org.dpo4j.data.source.DatasetRequest.Use;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * Which files of a directory have the rows of a request.
 *
 * @param names relative to the directory
 * @param split the split that they are of; null if they were named
 */
record DatasetFiles(List<String> names, @Nullable String split) {

    /** The only directory that is read, relative to that of the data set; null for all. */
    static @Nullable String only(DatasetCard.@Nullable Config config, DatasetRequest request) {
        return request.dataDir() != null || config == null ? request.dataDir() : config.directory();
    }

    /**
     * Chooses among names. Throws if none is left.
     *
     * @param base the directory, for errors
     * @param names of all its files, without hidden ones and descriptions
     */
    static DatasetFiles choose(
            Path base, List<String> names, DatasetCard.@Nullable Config config, DatasetRequest request) {
        if (!request.dataFiles().isEmpty()) {
            return new DatasetFiles(matching(base, names, request.dataFiles()), null);
        }
        if (names.isEmpty()) {
            throw new Dpo4jException(base + " holds no rows: it has no file but hidden ones and descriptions; give a"
                    + " directory with .jsonl, .json or .parquet files");
        }
        Map<String, List<String>> splits = config == null || config.splits().isEmpty() || request.dataDir() != null
                ? SplitFiles.find(names, request.split())
                : listed(base, names, config.splits());
        String split = split(base, splits, request);
        return new DatasetFiles(splits.getOrDefault(split, List.of()), split);
    }

    private static Map<String, List<String>> listed(Path base, List<String> names, Map<String, List<String>> patterns) {
        Map<String, List<String>> splits = new TreeMap<>();
        patterns.forEach((split, globs) -> splits.put(split, matching(base, names, globs)));
        return splits;
    }

    private static List<String> matching(Path base, List<String> names, List<String> globs) {
        List<Pattern> patterns = globs.stream().map(Glob::compile).toList();
        List<String> found = names.stream()
                .filter(name -> patterns.stream()
                        .anyMatch(pattern -> pattern.matcher(name).matches()))
                .toList();
        if (found.isEmpty()) {
            throw new Dpo4jException(
                    "no file of " + (base.toString().isEmpty() ? "the current directory" : base) + " matches "
                            + String.join(", ", globs) + "; correct the pattern, or download the data set completely");
        }
        return found;
    }

    private static String split(Path base, Map<String, List<String>> splits, DatasetRequest request) {
        String wanted = request.split() == null ? request.use().split : request.split();
        if (splits.containsKey(wanted)) {
            return wanted;
        }
        if (request.split() == null && request.use() == Use.EVAL && splits.size() == 1) {
            return splits.keySet().iterator().next();
        }
        boolean isSlice = wanted.contains("[") || wanted.contains("+") || wanted.contains("%");
        throw new Dpo4jException(name(base, request) + " has " + (splits.size() == 1 ? "the split " : "the splits ")
                + String.join(", ", splits.keySet()) + ", not " + wanted
                + (isSlice ? " (parts and sums of splits are not supported)" : "") + "; give one of them as "
                + request.use().option);
    }

    /** The directory, with the name of the data set if it is that of one in the cache of the hub. */
    private static String name(Path base, DatasetRequest request) {
        return base.startsWith(request.path()) ? base.toString() : "data set " + request.path() + " in " + base;
    }
}
