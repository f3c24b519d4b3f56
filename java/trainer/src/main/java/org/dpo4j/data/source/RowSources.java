package org.dpo4j.data.source;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Pattern;
import org.dpo4j.data.source.DatasetRequest.Use;
import org.dpo4j.io.InputFile;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/** Finds what a user named as rows: a file, a pipe, a directory, or a data set in the local cache of the hub. */
public final class RowSources {
    private static final Pattern NAME_OF_FILE =
            Pattern.compile("(?i).*\\.(jsonl?|ndjson|parquet|csv|tsv|txt|arrow)(\\.gz)?|[./~].*|.*:.*");

    private final HubCache cache;

    private RowSources(HubCache cache) {
        this.cache = cache;
    }

    /** Finds rows. Throws if there are none, or if several readings are possible. */
    public static RowSource find(DatasetRequest request) {
        return find(request, System.getenv());
    }

    /** {@code environment}: variables by name, which say where the cache of the hub is. */
    static RowSource find(DatasetRequest request, Map<String, String> environment) {
        return new RowSources(new HubCache(environment)).source(request);
    }

    /** The rows of a file, a directory or a data set, of the split {@code train} if it has several. */
    public static RowSource named(Path path) {
        return find(DatasetRequest.named(path.toString(), Use.TRAIN));
    }

    /** The rows of several files, directories or patterns of files, one after the other. */
    public static RowSource files(List<String> paths) {
        List<RowSource> sources = paths.stream()
                .map(path -> find(DatasetRequest.named(path, Use.PART)))
                .toList();
        return sources.size() == 1 ? sources.get(0) : new Mixture(sources, Mixture.Order.CONCATENATED, List.of(), 0);
    }

    private RowSource source(DatasetRequest request) {
        Path path = Path.of(request.path());
        if (Files.isDirectory(path)) {
            return directory(path, request, localWins(request.path()));
        }
        Path snapshot = Files.exists(path) || InputFile.isStandardInput(path) ? null : cache.snapshot(request.path());
        if (snapshot != null) {
            return directory(snapshot, request, List.of(request.path() + " is read from " + snapshot));
        }
        if (!Files.exists(path) && Glob.isPattern(request.path())) {
            return pattern(path, request);
        }
        boolean isName = HubCache.isName(request.path())
                && !NAME_OF_FILE.matcher(request.path()).matches();
        if (!Files.exists(path) && isName && request.path().contains("/") && !InputFile.isStandardInput(path)) {
            throw cache.absent(request.path());
        }
        return file(path, request);
    }

    private List<String> localWins(String name) {
        boolean isCachedToo = HubCache.isName(name) && cache.snapshot(name) != null;
        return isCachedToo
                ? List.of(name
                        + " is a directory here, which is read instead of the data set of that name in the cache of"
                        + " the hub")
                : List.of();
    }

    private static RowSource file(Path path, DatasetRequest request) {
        String option = request.dataDir() != null || !request.dataFiles().isEmpty() ? "data_dir and data_files" : null;
        option = request.config() == null || request.config().equals("default") ? option : "dataset_config";
        if (option != null) {
            throw new Dpo4jException(InputFile.name(path) + " is one file, without " + option + "; leave "
                    + (option.equals("dataset_config") ? "it" : "them") + " out");
        }
        String split = request.split() == null ? request.use().split : request.split();
        String asked = split.equals(request.use().split) ? null : split;
        return new FileSource(path, asked, request.use() == Use.BOTH ? null : split);
    }

    /** Files by a pattern such as {@code data/part-*.jsonl}: all of them, whatever splits they belong to. */
    private static RowSource pattern(Path path, DatasetRequest request) {
        Path base = path.isAbsolute() ? path.getRoot() : Path.of("");
        Path rest = base.relativize(path);
        int i = 0;
        while (i < rest.getNameCount() - 1 && !Glob.isPattern(rest.getName(i).toString())) {
            base = base.resolve(rest.getName(i++));
        }
        if (!Files.isDirectory(base.toString().isEmpty() ? Path.of(".") : base)) {
            throw new Dpo4jException(base + " does not exist; give files, a directory or a pattern of files");
        }
        String glob = rest.subpath(i, rest.getNameCount()).toString();
        return directory(base, request.withFiles(List.of(glob)), List.of());
    }

    private static RowSource directory(Path directory, DatasetRequest request, List<String> notes) {
        DatasetCard.Config config = DatasetCard.read(directory).find(request.config());
        String only = request.dataDir() != null || config == null ? request.dataDir() : config.directory();
        Path base = only == null ? directory : directory.resolve(only);
        if (!Files.isDirectory(base)) {
            throw new Dpo4jException(directory + " has no directory " + only + "; correct data_dir");
        }
        RowDirectory files = RowDirectory.list(base);
        if (!request.dataFiles().isEmpty()) {
            return rows(base, files, matching(base, files.names(), request.dataFiles()), null, notes);
        }
        if (files.names().isEmpty()) {
            throw new Dpo4jException(base + " holds no rows: it has no file but hidden ones and descriptions; give a"
                    + " directory with .jsonl, .json or .parquet files");
        }
        Map<String, List<String>> splits = config == null || config.splits().isEmpty() || request.dataDir() != null
                ? SplitFiles.find(files.names(), request.split())
                : listed(base, files.names(), config.splits());
        String split = split(base, splits, request);
        return rows(base, files, splits.getOrDefault(split, List.of()), split, notes);
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

    private static RowSource rows(
            Path base, RowDirectory files, List<String> chosen, @Nullable String split, List<String> before) {
        List<String> notRead = new ArrayList<>();
        List<Path> rows = files.rowFiles(chosen, notRead);
        if (rows.isEmpty()) {
            throw new Dpo4jException(base + " holds no rows: " + first(chosen) + (chosen.size() == 1 ? " is" : " are")
                    + " neither JSON nor Parquet; give a directory with .jsonl, .json or .parquet files");
        }
        List<String> others =
                files.names().stream().filter(name -> !chosen.contains(name)).toList();
        List<String> notes = new ArrayList<>(before);
        if (split != null && !others.isEmpty()) {
            notes.add("of split " + split + ", so not read: " + first(others));
        }
        if (!notRead.isEmpty()) {
            notes.add("without rows, so not read: " + first(notRead));
        }
        List<RowSource> sources = rows.stream()
                .<RowSource>map(file -> new FileSource(file, null, split == null ? Use.TRAIN.split : split))
                .toList();
        String name = base + (split == null ? "" : " split " + split);
        return new DirectorySource(name, sources, List.copyOf(notes));
    }

    /** The first names of a list, and how many more there are. */
    private static String first(List<String> names) {
        int shown = Math.min(names.size(), 5);
        String more = names.size() > shown ? " and " + (names.size() - shown) + " more" : "";
        return String.join(", ", names.subList(0, shown)) + more;
    }
}
