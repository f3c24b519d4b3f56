package org.dpo4j.data.source;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import org.dpo4j.data.source.DatasetRequest.Use;
import org.dpo4j.io.InputFile;
import org.dpo4j.io.hub.Hub;
import org.dpo4j.io.hub.HubCache;
import org.dpo4j.io.hub.HubRepository;
import org.dpo4j.io.hub.HubSnapshot;
import org.dpo4j.io.hub.RepositoryKind;
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
        return new RowSources(HubCache.in(environment)).source(request);
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

    /** Downloads the rows of a request if it names a data set of the hub. Does nothing for files and directories. */
    public static void download(DatasetRequest request, Hub hub) {
        HubRepository repository = repository(request.path());
        boolean isFile = NAME_OF_FILE.matcher(request.path()).matches();
        if (repository != null && !isFile && !isHere(request)) {
            hub.download(repository, snapshot -> download(repository, snapshot, request));
        }
    }

    private static void download(HubRepository repository, HubSnapshot snapshot, DatasetRequest request) {
        if (snapshot.names().contains(DatasetCard.FILE)) {
            snapshot.fetch(List.of(DatasetCard.FILE));
        }
        List<String> chosen = RemoteFiles.choose(snapshot.directory(), snapshot.names(), request);
        if (chosen.isEmpty()) {
            throw new Dpo4jException(repository + " holds no rows in JSON or Parquet, but "
                    + first(List.copyOf(snapshot.names())) + "; give another data set");
        }
        snapshot.fetch(chosen);
    }

    /** Whether the path of a request is a file, a directory or standard input. Otherwise it is a name on the hub. */
    private static boolean isHere(DatasetRequest request) {
        Path path = Path.of(request.path());
        return Files.exists(path) || InputFile.isStandardInput(path);
    }

    /** The data set that a text may name; null if it cannot be a name. */
    private static @Nullable HubRepository repository(String text) {
        return HubRepository.isName(text) ? new HubRepository(RepositoryKind.DATASET, text, HubRepository.MAIN) : null;
    }

    private RowSource source(DatasetRequest request) {
        Path path = Path.of(request.path());
        HubRepository repository = repository(request.path());
        if (Files.isDirectory(path)) {
            return directory(path, request, localWins(request.path(), repository));
        }
        Path snapshot = isHere(request) || repository == null ? null : cache.find(repository);
        if (snapshot != null && repository != null) {
            Collection<String> names = cache.names(repository);
            if (names != null) {
                cache.requireFiles(repository, RemoteFiles.needed(snapshot, names, request));
            }
            return directory(snapshot, request, List.of(request.path() + " is read from " + snapshot));
        }
        if (!Files.exists(path) && Glob.isPattern(request.path())) {
            return pattern(path, request);
        }
        boolean isFile = NAME_OF_FILE.matcher(request.path()).matches();
        if (repository != null && !isFile && !isHere(request) && request.path().contains("/")) {
            throw cache.absent(repository);
        }
        return file(path, request);
    }

    private List<String> localWins(String name, @Nullable HubRepository repository) {
        boolean isCachedToo = repository != null && cache.find(repository) != null;
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
        String only = DatasetFiles.only(config, request);
        Path base = only == null ? directory : directory.resolve(only);
        if (!Files.isDirectory(base)) {
            throw new Dpo4jException(directory + " has no directory " + only + "; correct data_dir");
        }
        RowDirectory files = RowDirectory.list(base);
        DatasetFiles chosen = DatasetFiles.choose(base, files.names(), config, request);
        return rows(base, files, chosen.names(), chosen.split(), notes);
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
