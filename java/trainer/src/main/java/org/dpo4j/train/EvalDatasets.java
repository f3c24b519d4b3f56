package org.dpo4j.train;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.dpo4j.kernels.Dpo4jException;

/**
 * The value of {@code eval_dataset}: one set of rows without a name, or several named ones. On the command line it is a
 * path or {@code name=path,name2=path2}, which may also be given one by one; in a config file it is a path, or a mapping
 * of names to a path or a list of paths. The metrics of a named set are called {@code eval_NAME_loss} and so on, as in
 * transformers.
 *
 * @param sets paths by name, in the given order; the name of a single set may be empty. The rows of several paths follow
 *     each other
 */
public record EvalDatasets(Map<String, List<Path>> sets) {
    private static final int MAX_NAME = 40;
    private static final Pattern NAME = Pattern.compile("[A-Za-z0-9_.-]{1," + MAX_NAME + "}");
    private static final Pattern PAIRS = Pattern.compile("[A-Za-z0-9_.-]+=.*");
    private static final Pattern BETWEEN = Pattern.compile(",(?=[^,=/]*=)");

    public EvalDatasets {
        Map<String, List<Path>> copy = new LinkedHashMap<>();
        sets.forEach((name, paths) -> copy.put(name, List.copyOf(paths)));
        sets = Collections.unmodifiableMap(copy);
    }

    /** One set without a name. */
    public static EvalDatasets unnamed(Path path) {
        return new EvalDatasets(Map.of("", List.of(path)));
    }

    /**
     * Parses a path, {@code name=path,...} or a JSON object. Text that names a file is a path, whatever it contains.
     * Throws with the fault.
     *
     * @param path converts the text of a path
     */
    public static EvalDatasets parse(String text, Function<String, Path> path) {
        if (text.startsWith("{")) {
            return new EvalDatasets(fromJson(text, path));
        }
        return isNamed(text) && !Files.exists(path.apply(text))
                ? new EvalDatasets(fromPairs(text, path))
                : unnamed(path.apply(text));
    }

    /** Whether the text is {@code name=path,...}, unless it names a file. */
    public static boolean isNamed(String text) {
        return PAIRS.matcher(text).matches();
    }

    private static Map<String, List<Path>> fromPairs(String text, Function<String, Path> path) {
        Map<String, List<Path>> sets = new LinkedHashMap<>();
        for (String pair : BETWEEN.split(text)) {
            int equals = pair.indexOf('=');
            String value = pair.substring(equals + 1);
            add(sets, pair.substring(0, equals), Stream.of(value), path);
        }
        return sets;
    }

    private static Map<String, List<Path>> fromJson(String text, Function<String, Path> path) {
        JsonNode json;
        try {
            json = new ObjectMapper().readTree(text);
        } catch (JsonProcessingException e) {
            throw new Dpo4jException("not a JSON object", e);
        }
        if (!(json instanceof ObjectNode object) || object.isEmpty()) {
            throw new Dpo4jException("a mapping without a set");
        }
        Map<String, List<Path>> sets = new LinkedHashMap<>();
        object.properties().forEach(entry -> {
            JsonNode value = entry.getValue();
            List<JsonNode> paths = new ArrayList<>();
            if (value.isArray()) {
                value.forEach(paths::add);
            } else {
                paths.add(value);
            }
            if (paths.isEmpty() || !paths.stream().allMatch(JsonNode::isTextual)) {
                throw new Dpo4jException(
                        "the set " + entry.getKey() + " is " + value + ", neither a path nor a list of paths");
            }
            add(sets, entry.getKey(), paths.stream().map(JsonNode::asText), path);
        });
        return sets;
    }

    private static void add(
            Map<String, List<Path>> sets, String name, Stream<String> texts, Function<String, Path> path) {
        if (!NAME.matcher(name).matches()) {
            throw new Dpo4jException("the name \"" + name + "\" is not 1 to " + MAX_NAME
                    + " letters, digits, dots, hyphens or underscores");
        }
        List<Path> paths = texts.map(text -> {
                    if (text.isBlank()) {
                        throw new Dpo4jException("the set " + name + " has an empty path");
                    }
                    return path.apply(text);
                })
                .toList();
        if (sets.put(name, paths) != null) {
            throw new Dpo4jException("the set " + name + " is given twice");
        }
    }

    /** As on the command line. */
    @Override
    public String toString() {
        return sets.entrySet().stream()
                .map(set -> (set.getKey().isEmpty() ? "" : set.getKey() + "=")
                        + set.getValue().stream().map(Path::toString).collect(Collectors.joining("+")))
                .collect(Collectors.joining(","));
    }
}
