package org.dpo4j.data.chat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.dpo4j.io.JsonFile;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * The chat templates of a model directory. Those in files of their own replace those of {@code tokenizer_config.json}.
 *
 * @param templates by name; the one without a name is "default"
 */
record TemplateFiles(Map<String, Source> templates, Map<String, String> specialTokens) {
    private static final String DEFAULT = "default";
    private static final String FILE = "chat_template.jinja";
    private static final String MORE = "additional_chat_templates";

    /** A template's text, and what errors call it. */
    record Source(String text, String name) {}

    static TemplateFiles read(Path directory) {
        Path configFile = directory.resolve("tokenizer_config.json");
        ObjectNode config = Files.exists(configFile) ? JsonFile.read(configFile) : JsonFile.object();
        Map<String, Source> templates = new TreeMap<>();
        Path single = directory.resolve(FILE);
        if (Files.exists(single)) {
            templates.put(DEFAULT, new Source(text(single), single.toString()));
        }
        addMore(directory.resolve(MORE), templates);
        if (templates.isEmpty()) {
            addConfigured(config.path("chat_template"), configFile, templates);
        }
        return new TemplateFiles(templates, SpecialTokenTexts.read(directory, config));
    }

    /** The text of a file. Throws if it is not UTF-8. */
    static String text(Path file) {
        try {
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(JsonFile.bytes(file)))
                    .toString();
        } catch (CharacterCodingException e) {
            throw new Dpo4jException(file + " is not UTF-8; convert it", e);
        }
    }

    private static void addMore(Path directory, Map<String, Source> templates) {
        if (!Files.isDirectory(directory)) {
            return;
        }
        try (Stream<Path> files = Files.list(directory)) {
            files.filter(file -> file.toString().endsWith(".jinja")).forEach(file -> {
                String name = file.getFileName().toString();
                templates.put(
                        name.substring(0, name.length() - ".jinja".length()), new Source(text(file), file.toString()));
            });
        } catch (IOException e) {
            throw JsonFile.unreadable(directory, e);
        }
    }

    private static void addConfigured(JsonNode value, Path file, Map<String, Source> templates) {
        String name = "chat_template of " + file;
        if (value.isTextual()) {
            templates.put(DEFAULT, new Source(value.textValue(), name));
        } else if (value instanceof ArrayNode list) {
            for (JsonNode entry : list) {
                JsonNode text = entry.path("template");
                JsonNode key = entry.path("name");
                if (!text.isTextual() || !key.isTextual()) {
                    throw new Dpo4jException(
                            name + " is a list, in which each entry must have the texts name and template");
                }
                templates.put(key.textValue(), new Source(text.textValue(), key.textValue() + " in " + name));
            }
        } else if (value instanceof ObjectNode named) {
            named.fields().forEachRemaining(field -> {
                if (!field.getValue().isTextual()) {
                    throw new Dpo4jException(name + ": " + field.getKey() + " must be a text");
                }
                templates.put(field.getKey(), new Source(field.getValue().textValue(), field.getKey() + " in " + name));
            });
        } else if (!value.isMissingNode() && !value.isNull()) {
            throw new Dpo4jException(name + " must be a text or a list of objects with name and template");
        }
    }

    /** The template of that name, or without one that of the model; null if there is none. */
    @Nullable
    Source find(@Nullable String name) {
        Source source = templates.get(name == null ? DEFAULT : name);
        if (source == null && name == null && !templates.isEmpty()) {
            throw new Dpo4jException("the model has chat templates named " + String.join(", ", templates.keySet())
                    + ", and none is the default; name one of them");
        }
        return source;
    }
}
