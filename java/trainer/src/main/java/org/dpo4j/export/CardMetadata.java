package org.dpo4j.export;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.dpo4j.io.FileErrors;
import org.dpo4j.io.gguf.GgufMetadata;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;
import org.yaml.snakeyaml.LoaderOptions;
import org.yaml.snakeyaml.Yaml;
import org.yaml.snakeyaml.constructor.SafeConstructor;
import org.yaml.snakeyaml.error.YAMLException;

/** The YAML at the start of a model card, README.md: licence, base model, data sets, tags and languages. */
record CardMetadata(Map<?, ?> yaml) {
    private static final Pattern FRONT =
            Pattern.compile("\\A---[ \\t]*\\R(.*?\\R)---[ \\t]*(\\R.*)?\\z", Pattern.DOTALL);
    private static final Pattern HUB_ID = Pattern.compile("([\\w][\\w.-]*)/([\\w.-]+)");

    /** Reads the card of a directory; one without metadata if there is none. */
    static CardMetadata read(Path directory) {
        Path file = directory.resolve("README.md");
        if (!Files.isRegularFile(file)) {
            return new CardMetadata(Map.of());
        }
        try {
            Matcher front = FRONT.matcher(Files.readString(file));
            Object read =
                    front.matches() ? new Yaml(new SafeConstructor(new LoaderOptions())).load(front.group(1)) : null;
            return new CardMetadata(read instanceof Map<?, ?> map ? map : Map.of());
        } catch (IOException e) {
            throw new Dpo4jException(
                    file + " cannot be read (" + FileErrors.reason(e) + "); make it readable, or remove it", e);
        } catch (YAMLException e) {
            throw new Dpo4jException(file + " begins with metadata that are not valid YAML; correct or remove them", e);
        }
    }

    /** A text of the card; {@code otherwise} if there is none. */
    String text(String key, String otherwise) {
        return yaml.get(key) instanceof String text && !text.isBlank() ? text : otherwise;
    }

    void put(GgufMetadata metadata) {
        putText(metadata, "general.license", String.join(",", texts("license")));
        putText(metadata, "general.license.name", text("license_name", ""));
        putText(metadata, "general.license.link", text("license_link", ""));
        putSources(metadata, "general.base_model", texts("base_model"));
        putSources(metadata, "general.dataset", texts("datasets"));
        putTexts(metadata, "general.tags", Stream.of("tags", "pipeline_tag"));
        putTexts(metadata, "general.languages", Stream.of("languages", "language"));
    }

    private void putTexts(GgufMetadata metadata, String name, Stream<String> keys) {
        List<String> all = keys.flatMap(key -> texts(key).stream()).toList();
        if (!all.isEmpty()) {
            metadata.putTexts(name, all);
        }
    }

    private static void putText(GgufMetadata metadata, String key, String text) {
        if (!text.isEmpty()) {
            metadata.putText(key, text);
        }
    }

    /** Models or data sets from which this model was made, given by their names on the hub. */
    private static void putSources(GgufMetadata metadata, String prefix, List<String> names) {
        if (names.isEmpty()) {
            return;
        }
        metadata.putInteger(prefix + ".count", names.size());
        for (int i = 0; i < names.size(); i++) {
            String key = prefix + "." + i + ".";
            Matcher id = HUB_ID.matcher(names.get(i));
            metadata.putText(key + "name", ModelTitle.find(id.matches() ? id.group(2) : names.get(i)));
            if (id.matches()) {
                metadata.putText(key + "organization", ModelTitle.find(id.group(1)));
                metadata.putText(key + "repo_url", "https://huggingface.co/" + names.get(i));
            }
        }
    }

    /** A text, or a list of texts. */
    private List<String> texts(String key) {
        @Nullable Object value = yaml.get(key);
        List<String> texts = new ArrayList<>();
        for (Object each : value instanceof List<?> list ? list : value == null ? List.of() : List.of(value)) {
            if (each != null) {
                texts.add(each.toString());
            }
        }
        return texts;
    }
}
