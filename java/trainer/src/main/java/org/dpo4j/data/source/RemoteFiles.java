package org.dpo4j.data.source;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** Which files of a data set of the hub have the rows of a request. Only their names are known, not their content. */
final class RemoteFiles {
    private static final Pattern ROWS = Pattern.compile("(?i).*\\.(jsonl?|ndjson|parquet)(\\.gz)?");

    private RemoteFiles() {}

    /**
     * Chooses among names. Throws if the data set has no such split or file.
     *
     * @param snapshot the directory in which its README is, if it has one
     * @param all names of all files of the data set
     */
    static List<String> choose(Path snapshot, Collection<String> all, DatasetRequest request) {
        DatasetCard.@Nullable Config config = DatasetCard.read(snapshot).find(request.config());
        String only = DatasetFiles.only(config, request);
        String prefix = only == null ? "" : Path.of(only).normalize() + "/";
        List<String> below = all.stream()
                .filter(name -> name.startsWith(prefix))
                .map(name -> name.substring(prefix.length()))
                .toList();
        Path base = only == null ? snapshot : snapshot.resolve(only);
        return DatasetFiles.choose(base, RowDirectory.visible(below), config, request).names().stream()
                .filter(name -> ROWS.matcher(name).matches())
                .map(name -> prefix + name)
                .toList();
    }

    /** As {@link #choose}, with the README, by which it chooses. */
    static List<String> needed(Path snapshot, Collection<String> all, DatasetRequest request) {
        boolean hasCard = all.contains(DatasetCard.FILE);
        boolean isCardHere = Files.exists(snapshot.resolve(DatasetCard.FILE));
        return hasCard && !isCardHere ? List.of(DatasetCard.FILE) : choose(snapshot, all, request);
    }
}
