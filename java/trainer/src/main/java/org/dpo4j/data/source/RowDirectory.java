package org.dpo4j.data.source;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileVisitOption;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.dpo4j.io.FileErrors;
import org.dpo4j.io.FileFormat;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/** The files below a directory, and which of them hold rows. */
final class RowDirectory {
    private static final int MAX_DEPTH = 32;

    /** Files that describe a data set and hold no rows. */
    private static final Set<String> DESCRIPTIONS =
            Set.of("config.json", "dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json");

    private static final Set<FileFormat> NO_TABLES = EnumSet.of(
            FileFormat.IMAGE,
            FileFormat.PDF,
            FileFormat.OFFICE,
            FileFormat.OFFICE_OPEN,
            FileFormat.HTML,
            FileFormat.XML,
            FileFormat.YAML,
            FileFormat.SAFETENSORS,
            FileFormat.PICKLE,
            FileFormat.PYTORCH,
            FileFormat.NUMPY);

    /** The name of a shard: a beginning, its number from 0, and how many there are. */
    private static final Pattern SHARD = Pattern.compile("(.*-)([0-9]{5})-of-([0-9]{5})[^/]*");

    private final Path directory;
    private final List<String> names;

    private RowDirectory(Path directory, List<String> names) {
        this.directory = directory;
        this.names = names;
    }

    /** Lists the directory and what is below it. Links are followed. Hidden files and descriptions are left out. */
    static RowDirectory list(Path directory) {
        refuseSavedDataset(directory);
        try (Stream<Path> all = Files.walk(directory, MAX_DEPTH, FileVisitOption.FOLLOW_LINKS)) {
            List<String> names = all.filter(file -> !Files.isDirectory(file))
                    .map(file -> directory.relativize(file).toString())
                    .toList();
            return new RowDirectory(directory, visible(names));
        } catch (IOException e) {
            throw unlisted(directory, e);
        } catch (UncheckedIOException e) {
            throw unlisted(directory, Objects.requireNonNull(e.getCause()));
        }
    }

    /** The names without hidden files and descriptions, in natural order. */
    static List<String> visible(List<String> names) {
        return names.stream()
                .filter(name -> !isHidden(name) && !isDescription(name))
                .sorted(NaturalOrder.NAMES)
                .toList();
    }

    private static Dpo4jException unlisted(Path directory, IOException e) {
        return new Dpo4jException(
                directory + " cannot be listed (" + FileErrors.reason(e)
                        + "); give a directory that this user may read",
                e);
    }

    /** Throws if the file is a directory written by save_to_disk of Hugging Face's datasets. */
    private static void refuseSavedDataset(Path file) {
        boolean hasSplits = Files.exists(file.resolve("dataset_dict.json"));
        if (hasSplits || Files.exists(file.resolve("state.json")) && Files.exists(file.resolve("dataset_info.json"))) {
            throw new Dpo4jException(
                    file + " is a directory that datasets' save_to_disk wrote; write it as JSONL first, in"
                            + " Python: datasets.load_from_disk(\"" + file + "\")" + (hasSplits ? "[\"train\"]" : "")
                            + ".to_json(\"rows.jsonl\")");
        }
    }

    private static boolean isHidden(String name) {
        String[] parts = name.split("/");
        for (int i = 0; i < parts.length - 1; i++) {
            if (parts[i].startsWith(".") || parts[i].startsWith("__")) {
                return true;
            }
        }
        String last = parts[parts.length - 1];
        return last.startsWith(".") || last.startsWith("_");
    }

    private static boolean isDescription(String name) {
        String file = name.substring(name.lastIndexOf('/') + 1);
        String lower = file.toLowerCase(Locale.ROOT);
        return DESCRIPTIONS.contains(file)
                || lower.endsWith(".md")
                || lower.matches("(readme|licen[cs]e|notice)(\\..*)?");
    }

    /** Names relative to the directory, in natural order. */
    List<String> names() {
        return names;
    }

    /**
     * Those of the files that hold rows. Throws if they are of several kinds, or if shards are missing.
     *
     * @param notRead receives the names of files without rows
     */
    List<Path> rowFiles(List<String> chosen, List<String> notRead) {
        checkShards(chosen);
        TreeMap<String, String> kinds = new TreeMap<>();
        List<Path> files = new ArrayList<>();
        for (String name : chosen) {
            Path file = directory.resolve(name);
            String kind = kind(file);
            if (kind == null) {
                notRead.add(name);
            } else {
                kinds.putIfAbsent(kind, name);
                files.add(file);
            }
        }
        if (kinds.size() > 1) {
            List<String> examples = new ArrayList<>();
            kinds.forEach((kind, name) -> examples.add(name + " (" + kind + ")"));
            throw new Dpo4jException(directory + " has files of several kinds: " + String.join(", ", examples)
                    + "; give a directory with one kind, or name the files by a pattern such as " + directory
                    + "/*.jsonl");
        }
        String other =
                files.isEmpty() || kinds.containsKey("JSON") || kinds.containsKey("Parquet") ? null : kinds.firstKey();
        if (other != null) {
            RowFiles.open(files.get(0)).close(); // names the format and what to do
        }
        return files;
    }

    /** JSON, Parquet or the name of another format of tables; null for a file without rows. */
    private static @Nullable String kind(Path file) {
        if (!Files.exists(file)) {
            throw new Dpo4jException(file + " is a link to a file that does not exist; restore or remove it");
        }
        if (!Files.isRegularFile(file)) {
            throw new Dpo4jException(file + " is no regular file; name it alone, or remove it from the directory");
        }
        byte[] head = RowFiles.head(file);
        FileFormat format = FileFormat.find(head);
        String text = new String(head, StandardCharsets.UTF_8)
                .replaceFirst("^\ufeff", "")
                .stripLeading();
        if (format == FileFormat.PARQUET) {
            return "Parquet";
        }
        boolean isNamedRows = file.toString().matches("(?i).*\\.(jsonl?|ndjson|parquet)(\\.gz)?");
        if (format == null) {
            boolean isJson = text.startsWith("{") || text.startsWith("[") || isNamedRows && !text.isEmpty();
            return isJson ? "JSON" : null;
        }
        return isNamedRows || !NO_TABLES.contains(format) ? format.description() : null;
    }

    /** Throws if the names of shards, {@code train-00000-of-00005.parquet}, show that one is missing or there twice. */
    private void checkShards(List<String> chosen) {
        Map<String, Map<Integer, String>> groups = new TreeMap<>();
        for (String name : chosen) {
            Matcher shard = SHARD.matcher(name);
            if (shard.matches()) {
                Map<Integer, String> group =
                        groups.computeIfAbsent(shard.group(1) + "%05d-of-" + shard.group(3), all -> new TreeMap<>());
                String twin = group.put(Integer.parseInt(shard.group(2)), name);
                if (twin != null) {
                    throw new Dpo4jException(directory + " has the same shard twice: " + twin + " and " + name
                            + "; remove the older one");
                }
            }
        }
        groups.forEach((group, shards) -> {
            int total = Integer.parseInt(group.substring(group.length() - 5));
            for (int i = 0; i < total; i++) {
                if (!shards.containsKey(i)) {
                    throw new Dpo4jException(directory + " has " + shards.size() + " of " + total + " shards: "
                            + String.format(group, i)
                            + " is missing; download the data set completely, or name its files"
                            + " by a pattern");
                }
            }
        });
    }
}
