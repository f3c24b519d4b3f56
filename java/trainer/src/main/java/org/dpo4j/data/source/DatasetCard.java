package org.dpo4j.data.source;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.dpo4j.io.FileErrors;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;
import org.yaml.snakeyaml.LoaderOptions;
import org.yaml.snakeyaml.Yaml;
import org.yaml.snakeyaml.constructor.SafeConstructor;
import org.yaml.snakeyaml.error.YAMLException;

/**
 * The configurations that the README of a data set lists under {@code configs}, in YAML between two lines {@code ---}.
 * Hugging Face's datasets read them too (metadata.py, MetadataConfigs).
 */
final class DatasetCard {
    /** Its name in a directory. */
    static final String FILE = "README.md";

    private static final Pattern FRONT =
            Pattern.compile("\\A---[ \\t]*\\R(.*?\\R)---[ \\t]*(\\R.*)?\\z", Pattern.DOTALL);

    /**
     * A configuration.
     *
     * @param directory the directory with its files; null for all
     * @param splits patterns of the files of each split; empty if the names of the files decide
     */
    record Config(String name, boolean isDefault, @Nullable String directory, Map<String, List<String>> splits) {}

    private final Path file;
    private final List<Config> configs = new ArrayList<>();

    private DatasetCard(Path file) {
        this.file = file;
    }

    /** Reads the README of a directory; a card without configurations if it has none. */
    static DatasetCard read(Path directory) {
        DatasetCard card = new DatasetCard(directory.resolve(FILE));
        if (Files.isRegularFile(card.file)) {
            try {
                Matcher front = FRONT.matcher(Files.readString(card.file));
                if (front.matches() && card.yaml(front.group(1)).get("configs") instanceof List<?> configs) {
                    configs.forEach(card::add);
                }
            } catch (IOException e) {
                throw new Dpo4jException(
                        card.file + " cannot be read (" + FileErrors.reason(e) + "); make it readable", e);
            }
        }
        return card;
    }

    private Map<?, ?> yaml(String text) {
        try {
            Object read = new Yaml(new SafeConstructor(new LoaderOptions())).load(text);
            return read instanceof Map<?, ?> map ? map : Map.of();
        } catch (YAMLException e) {
            throw new Dpo4jException(
                    file + " has metadata that are not valid YAML; correct them, or name the files as dataset_name", e);
        }
    }

    private void add(Object entry) {
        if (!(entry instanceof Map<?, ?> config) || config.get("config_name") == null) {
            throw unreadable();
        }
        Object directory = config.get("data_dir");
        configs.add(new Config(
                config.get("config_name").toString(),
                Boolean.TRUE.equals(config.get("default")),
                directory == null ? null : directory.toString(),
                splits(config.get("data_files"))));
    }

    /** A pattern, a list of patterns, or a list of splits with their patterns. */
    private Map<String, List<String>> splits(@Nullable Object files) {
        Map<String, List<String>> splits = new LinkedHashMap<>();
        if (files instanceof List<?> list && list.stream().anyMatch(Map.class::isInstance)) {
            for (Object element : list) {
                if (!(element instanceof Map<?, ?> split) || split.get("split") == null) {
                    throw unreadable();
                }
                splits.put(split.get("split").toString(), patterns(split.get("path")));
            }
        } else if (files != null) {
            splits.put("train", patterns(files));
        }
        return splits;
    }

    private List<String> patterns(@Nullable Object value) {
        if (value instanceof String pattern) {
            return List.of(pattern);
        }
        if (value instanceof List<?> list && list.stream().allMatch(String.class::isInstance)) {
            return list.stream().map(String.class::cast).toList();
        }
        throw unreadable();
    }

    private Dpo4jException unreadable() {
        return new Dpo4jException(
                file + " lists configs in a form that Hugging Face's datasets do not write; correct it,"
                        + " or name the files as dataset_name");
    }

    /**
     * The configuration of that name, or the default one if none is asked for; null if the card has none and none is
     * asked for.
     */
    @Nullable
    Config find(@Nullable String asked) {
        if (configs.isEmpty() && (asked == null || asked.equals("default"))) {
            return null;
        }
        for (Config config : configs) {
            boolean isWanted = asked == null
                    ? config.isDefault || configs.size() == 1 || config.name.equals("default")
                    : config.name.equals(asked);
            if (isWanted) {
                return config;
            }
        }
        String names = String.join(", ", configs.stream().map(Config::name).toList());
        throw new Dpo4jException(file.getParent() + " has "
                + (configs.isEmpty() ? "no configurations" : "the configurations " + names)
                + (asked == null
                        ? ", and none is the default; give one of them"
                        : ", not " + asked + (configs.isEmpty() ? "; leave it out" : "; give one of them"))
                + " as dataset_config");
    }
}
