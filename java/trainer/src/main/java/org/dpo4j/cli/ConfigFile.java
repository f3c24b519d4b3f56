package org.dpo4j.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import com.fasterxml.jackson.dataformat.yaml.YAMLParser;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.StreamSupport;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.IDefaultValueProvider;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;

/**
 * {@code --config file.yaml}: options of a command by name, as TRL's configs are written. They stand where defaults
 * stand, so the command line wins.
 *
 * @param values by option name, without dashes before it and with underscores within
 */
record ConfigFile(Map<String, String> values) implements IDefaultValueProvider {
    private static final YAMLMapper YAML = new YAMLMapper(YAMLFactory.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .enable(YAMLParser.Feature.PARSE_BOOLEAN_LIKE_WORDS_AS_STRINGS)
            .build());

    /** Reads the options of {@code command}; refuses keys it has not. */
    static ConfigFile read(Path file, CommandSpec command) {
        JsonNode tree = parse(file);
        if (!tree.isObject()) {
            throw new Dpo4jException(file + " is no mapping of options; write one option: value a line");
        }
        Map<String, String> values = new LinkedHashMap<>();
        Set<String> known = OptionNames.of(command);
        for (Map.Entry<String, JsonNode> entry : tree.properties()) {
            String name = OptionNames.normalised(entry.getKey());
            String value = value(file, entry.getKey(), entry.getValue(), command, known);
            if (value != null && values.put(name, value) != null) {
                throw new Dpo4jException(file + " gives " + name + " twice; leave one out");
            }
        }
        return new ConfigFile(values);
    }

    private static JsonNode parse(Path file) {
        try {
            return YAML.readTree(Files.readAllBytes(file));
        } catch (NoSuchFileException e) {
            throw new Dpo4jException("config " + file + " does not exist", e);
        } catch (JsonProcessingException e) {
            String reason = e.getOriginalMessage()
                    .lines()
                    .findFirst()
                    .orElse("unreadable")
                    .strip();
            int line = e.getLocation() == null ? 1 : e.getLocation().getLineNr();
            throw new Dpo4jException("config " + file + " line " + line + " is not valid YAML: " + reason, e);
        } catch (IOException e) {
            throw new Dpo4jException("config " + file + " cannot be read: " + e.getMessage(), e);
        }
    }

    /** The value as it would stand on the command line; null where the key says what holds anyway. */
    private static @Nullable String value(
            Path file, String key, JsonNode node, CommandSpec command, Set<String> known) {
        String name = OptionNames.normalised(key);
        String text = node.isArray() && node.size() == 1 ? node.get(0).asText() : node.asText();
        if (!known.contains(name)) {
            if (!OtherOptions.has(name)) {
                throw new Dpo4jException(file + ": unknown option " + key + " of " + command.name()
                        + NearestName.suggestion(name, known));
            }
            OtherOptions.check(
                    file + ": " + key, name, node.isNull() ? "null" : node.isValueNode() ? text : node.toString());
            return null;
        }
        OptionSpec option = command.findOption("--" + name);
        if (node.isArray() && node.size() > 1 && option != null && option.isMultiValue()) {
            return StreamSupport.stream(node.spliterator(), false)
                    .map(JsonNode::asText)
                    .collect(Collectors.joining(","));
        }
        if (node.isObject() || (node.isArray() && node.size() != 1)) {
            throw new Dpo4jException(file + ": " + key + " has several values; give one");
        }
        if (!node.isNull()) {
            return text;
        }
        if (option != null && option.initialValue() != null) {
            throw new Dpo4jException(
                    file + ": " + key + " is null, but its default is " + option.initialValue() + "; give a value");
        }
        return null;
    }

    @Override
    public @Nullable String defaultValue(ArgSpec argument) {
        return argument instanceof OptionSpec option ? values.get(OptionNames.normalised(option.longestName())) : null;
    }
}
