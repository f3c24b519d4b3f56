package org.dpo4j.data.source;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Which files of a directory belong to which split. The names decide, by the rules of data_files.py of Hugging Face's
 * datasets 5: files {@code data/SPLIT-00000-of-00001.*}, else directories named after a split, else files named after a
 * split, else all files are {@code train}. In addition, a split whose name these rules do not know is found by name.
 */
final class SplitFiles {
    private static final String TRAIN = "train";

    /** Characters that end a keyword in a name. */
    private static final String END = "[-._ 0-9]";

    private static final Pattern SHARD = Pattern.compile("data/([^/]*)-[0-9]{5}-of-[0-9]{5}[^/]*\\.[^/]*");

    private static final Map<String, String> KEYWORDS = new LinkedHashMap<>();

    static {
        KEYWORDS.put(TRAIN, "train|training");
        KEYWORDS.put("validation", "validation|valid|dev|val");
        KEYWORDS.put("test", "test|testing|eval|evaluation");
    }

    private SplitFiles() {}

    /** Whether the word names a split: train, dev, test and the like. */
    static boolean isKeyword(String word) {
        return KEYWORDS.values().stream().anyMatch(word::matches);
    }

    /**
     * The files of each split.
     *
     * @param files names relative to the directory, with slashes
     * @param asked the split that is asked for; null if none is
     */
    static Map<String, List<String>> find(List<String> files, @Nullable String asked) {
        Map<String, List<String>> splits = named(files);
        if (asked != null && !splits.containsKey(asked) && !KEYWORDS.containsKey(asked)) {
            List<String> found = matching(files, name -> isOf(Pattern.quote(asked), name));
            if (!found.isEmpty()) {
                return Map.of(asked, found);
            }
        }
        return splits;
    }

    private static Map<String, List<String>> named(List<String> files) {
        Map<String, List<String>> shards = new TreeMap<>();
        for (String file : files) {
            Matcher matcher = SHARD.matcher(file);
            if (matcher.matches()) {
                shards.computeIfAbsent(matcher.group(1), split -> matching(files, name -> isShard(split, name)));
            }
        }
        if (!shards.isEmpty()) {
            return shards;
        }
        Map<String, List<String>> directories = byKeyword(files, SplitFiles::isInDirectory);
        if (!directories.isEmpty()) {
            return directories;
        }
        Map<String, List<String>> names = byKeyword(files, SplitFiles::isFileOf);
        return names.isEmpty() ? Map.of(TRAIN, files) : names;
    }

    private interface Rule {
        boolean holds(String keyword, String file);
    }

    private static Map<String, List<String>> byKeyword(List<String> files, Rule rule) {
        Map<String, List<String>> splits = new LinkedHashMap<>();
        KEYWORDS.forEach((split, keywords) -> {
            List<String> found = matching(files, name -> rule.holds(keywords, name));
            if (!found.isEmpty()) {
                splits.put(split, found);
            }
        });
        return splits;
    }

    private static List<String> matching(List<String> files, Predicate<String> predicate) {
        return files.stream().filter(predicate).toList();
    }

    private static boolean isShard(String split, String file) {
        Matcher matcher = SHARD.matcher(file);
        return matcher.matches() && matcher.group(1).equals(split);
    }

    private static boolean isOf(String keyword, String file) {
        return isInDirectory(keyword, file) || isFileOf(keyword, file);
    }

    private static boolean isInDirectory(String keyword, String file) {
        return file.matches("(.*/)?([^/]*" + END + ")?(" + keyword + ")(" + END + "[^/]*)?/.*");
    }

    private static boolean isFileOf(String keyword, String file) {
        return file.matches("(.*/)?([^/]*" + END + ")?(" + keyword + ")" + END + "[^/]*");
    }
}
