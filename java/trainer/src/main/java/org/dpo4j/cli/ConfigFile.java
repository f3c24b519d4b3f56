package org.dpo4j.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.NullNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.dpo4j.io.JsonFile;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.train.DatasetList;
import org.dpo4j.train.EvalDatasets;
import org.dpo4j.train.OptionMap;
import org.jspecify.annotations.Nullable;
import org.yaml.snakeyaml.nodes.MappingNode;
import org.yaml.snakeyaml.nodes.Node;
import org.yaml.snakeyaml.nodes.NodeTuple;
import org.yaml.snakeyaml.nodes.ScalarNode;
import org.yaml.snakeyaml.nodes.SequenceNode;
import org.yaml.snakeyaml.nodes.Tag;
import picocli.CommandLine.IDefaultValueProvider;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;

/**
 * {@code --config file.yaml}: options of a command by name, written as in TRL's configs. The file is YAML 1.1, read as
 * PyYAML reads it: anchors, aliases and merge keys are resolved. A blank value is null, which means the option's
 * default. A text or path keeps the characters of the file ({@code 2024_01}, {@code 007}, {@code on}). The values
 * replace the options' defaults, so the command line overrides them.
 */
final class ConfigFile implements IDefaultValueProvider {
    private static final Set<Tag> SCALARS = Set.of(Tag.STR, Tag.INT, Tag.FLOAT, Tag.BOOL, Tag.NULL, Tag.TIMESTAMP);

    /** Floats, as the resolver of PyYAML 6.0.4 recognises them (yaml/resolver.py). */
    private static final Pattern FLOAT = Pattern.compile("[-+]?[0-9][0-9_]*\\.[0-9_]*([eE][-+][0-9]+)?"
            + "|\\.[0-9][0-9_]*([eE][-+][0-9]+)?"
            + "|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+\\.[0-9_]*"
            + "|[-+]?\\.(inf|Inf|INF)|\\.(nan|NaN|NAN)");

    private static final String REPORT_TO = "--report_to";

    /** A key as written, its line, and its value. */
    private record Entry(String key, int line, Node value) {}

    /** A value as it would be written on the command line, and its line in the file. */
    private record Value(String text, int line) {}

    private final Path file;
    private final CommandSpec command;
    private final Set<String> known;
    /** Keys are option names with underscores and no leading dashes. */
    private final Map<String, Value> values = new LinkedHashMap<>();

    private final Map<Node, Map<String, Entry>> flattened = new IdentityHashMap<>();
    /** Mappings that are being flattened, to detect one that merges itself. */
    private final Set<Node> open = Collections.newSetFromMap(new IdentityHashMap<>());

    private ConfigFile(Path file, CommandSpec command) {
        this.file = file;
        this.command = command;
        this.known = OptionNames.settable(command);
    }

    /** Reads the options of {@code command}. Throws, naming the line, if a key is unknown or a value invalid. */
    static ConfigFile read(Path file, CommandSpec command) {
        ConfigFile config = new ConfigFile(file, command);
        if (!(YamlFile.read(file) instanceof MappingNode root)) {
            throw new Dpo4jException("config " + file + " is not a mapping of options; write one option: value a line");
        }
        if (!root.getTag().equals(Tag.MAP)) {
            throw config.refusal(
                    line(root),
                    "the whole file has the tag " + root.getTag().getValue()
                            + ", which is not read; leave the tag out");
        }
        config.flattened(root).forEach(config::take);
        return config;
    }

    /**
     * The entries of a mapping and of the mappings that it merges. Each mapping is read once, however often it is
     * merged.
     */
    private Map<String, Entry> flattened(MappingNode mapping) {
        Map<String, Entry> done = flattened.get(mapping);
        if (done != null) {
            return done;
        }
        if (!open.add(mapping)) {
            throw refusal(line(mapping), "merges (<<) a mapping into itself");
        }
        Map<String, Entry> own = new LinkedHashMap<>();
        List<Node> merged = new ArrayList<>();
        for (NodeTuple tuple : mapping.getValue()) {
            Node key = tuple.getKeyNode();
            Node value = tuple.getValueNode();
            if (key.getTag().equals(Tag.MERGE)) {
                merged.addAll(value instanceof SequenceNode list ? list.getValue() : List.of(value));
                continue;
            }
            String name = OptionNames.normalised(key(key));
            if (own.put(name, new Entry(key(key), line(key), value)) != null) {
                throw refusal(line(key), "gives " + name + " twice; leave one out");
            }
        }
        Map<String, Entry> all = new LinkedHashMap<>(own);
        merged.forEach(node -> merge(node, own, all));
        flattened.put(mapping, all);
        return all;
    }

    /**
     * Adds the entries of a merged mapping. The mapping's own keys override them. Throws if two merged mappings give
     * the same key: YAML uses the first, PyYAML 6.0.4 mostly the last.
     */
    private void merge(Node node, Map<String, Entry> own, Map<String, Entry> all) {
        if (!(node instanceof MappingNode mapping)) {
            throw refusal(line(node), "merges (<<) a value that is not a mapping");
        }
        flattened(mapping).forEach((name, entry) -> {
            Entry other = all.putIfAbsent(name, entry);
            if (other != null && !own.containsKey(name) && other.value != entry.value) {
                throw refusal(entry.line, "two merged mappings (<<) give " + name + "; leave one out");
            }
        });
    }

    private String key(Node node) {
        if (!(node instanceof ScalarNode scalar)) {
            throw refusal(line(node), "has a list or mapping where the name of an option belongs");
        }
        if (!scalar.getTag().equals(Tag.STR)) {
            throw refusal(line(node), "has " + scalar.getValue() + " where the name of an option belongs");
        }
        return scalar.getValue();
    }

    private void take(String name, Entry entry) {
        checkTag(entry, entry.value);
        if (!known.contains(name)) {
            takeOther(name, entry);
            return;
        }
        OptionSpec option = command.findOption("--" + name);
        if (!isNull(entry.value)) {
            values.put(name, new Value(text(option, entry), entry.line));
        }
    }

    private void takeOther(String name, Entry entry) {
        if (!OtherOptions.has(name)) {
            throw refusal(
                    entry.line,
                    "unknown option " + entry.key + " of " + command.name() + NearestName.suggestion(name, known));
        }
        OtherOptions.check(file + " line " + entry.line + ": " + entry.key, name, described(entry.value));
    }

    /** A value as text that {@link OtherOptions} compares. */
    private String described(Node node) {
        if (node instanceof ScalarNode scalar) {
            return isNull(node) ? "null" : isNumber(scalar) ? number(scalar) : scalar.getValue();
        }
        if (node instanceof SequenceNode list) {
            List<Node> elements = list.getValue();
            boolean isOne = elements.size() == 1 && elements.get(0) instanceof ScalarNode;
            return isOne ? described(elements.get(0)) : elements.isEmpty() ? "[]" : "[...]";
        }
        return node instanceof MappingNode mapping && mapping.getValue().isEmpty() ? "{}" : "{...}";
    }

    private String text(OptionSpec option, Entry entry) {
        if (entry.value instanceof SequenceNode list && !option.splitRegex().isEmpty()) {
            if (list.getValue().isEmpty() && option.longestName().equals(REPORT_TO)) {
                return "none"; // as transformers reads it
            }
            if (list.getValue().isEmpty()) {
                throw refusal(entry.line, entry.key + " is an empty list; give a value, or leave it out");
            }
            return list.getValue().stream()
                    .map(element -> scalar(option, entry, element))
                    .collect(Collectors.joining(","));
        }
        boolean isMapping = option.type() == EvalDatasets.class || OptionTypes.isGrid(option);
        if (option.type() == DatasetList.class || entry.value instanceof MappingNode && isMapping) {
            return json(entry, entry.value).toString();
        }
        if (entry.value instanceof MappingNode mapping && option.type() == OptionMap.class) {
            return map(option, entry, mapping);
        }
        return scalar(option, entry, entry.value);
    }

    /** A value with all that is in it as JSON. */
    private JsonNode json(Entry entry, Node node) {
        checkTag(entry, node);
        if (node instanceof MappingNode mapping) {
            ObjectNode json = JsonFile.object();
            flattened(mapping).values().forEach(each -> json.set(each.key, json(each, each.value)));
            return json;
        }
        if (node instanceof SequenceNode list) {
            ArrayNode json = JsonFile.object().arrayNode();
            list.getValue().forEach(element -> json.add(json(entry, element)));
            return json;
        }
        return isNull(node) ? NullNode.instance : TextNode.valueOf(((ScalarNode) node).getValue());
    }

    /** A mapping of single values as a JSON object, which {@link OptionMap} parses. */
    private String map(OptionSpec option, Entry entry, MappingNode mapping) {
        ObjectNode json = JsonFile.object();
        flattened(mapping).values().forEach(each -> {
            String key = each.key;
            if (isNull(each.value)) {
                json.putNull(key);
            } else {
                json.put(key, scalar(option, new Entry(entry.key + "." + key, each.line, each.value), each.value));
            }
        });
        return json.toString();
    }

    private String scalar(OptionSpec option, Entry entry, Node node) {
        checkTag(entry, node);
        if (!(node instanceof ScalarNode scalar) || isNull(node)) {
            String kind = node instanceof SequenceNode ? "a list" : node instanceof MappingNode ? "a mapping" : "null";
            boolean isElement = node != entry.value;
            throw refusal(entry.line, entry.key + (isElement ? " holds " : " is ") + kind + "; give one value");
        }
        String fault = OptionTypes.fault(option, scalar.getValue());
        if (fault != null) {
            throw refusal(entry.line, entry.key + " " + fault);
        }
        if (OptionTypes.isBoolean(option)) {
            Boolean truth = OptionTypes.truth(scalar.getValue());
            if (truth == null) {
                throw refusal(entry.line, entry.key + " is " + scalar.getValue() + "; it must be true or false");
            }
            return truth.toString();
        }
        return OptionTypes.isNumeric(option) && isNumber(scalar) ? number(scalar) : scalar.getValue();
    }

    private void checkTag(Entry entry, Node node) {
        boolean isPlain = node instanceof ScalarNode
                ? SCALARS.contains(node.getTag())
                : node.getTag().equals(Tag.SEQ) || node.getTag().equals(Tag.MAP);
        if (!isPlain) {
            throw refusal(
                    entry.line,
                    entry.key + " has the tag " + node.getTag().getValue() + ", which is not read; leave the tag out");
        }
    }

    private static boolean isNull(Node node) {
        return node.getTag().equals(Tag.NULL);
    }

    /** Whether PyYAML reads it as a number. SnakeYAML also reads {@code 1_e5} as one, PyYAML as a text. */
    private static boolean isNumber(ScalarNode scalar) {
        return scalar.getTag().equals(Tag.INT)
                || scalar.getTag().equals(Tag.FLOAT)
                        && FLOAT.matcher(scalar.getValue()).matches();
    }

    /** A YAML 1.1 number in Python's notation: {@code 0x10}, {@code 010} and {@code 1:30} are 16, 8 and 90. */
    private static String number(ScalarNode scalar) {
        String text = scalar.getValue().replace("_", "");
        String digits = text.replaceFirst("^[-+]", "");
        String sign = text.startsWith("-") ? "-" : "";
        if (digits.matches("[0-9]{1,18}(:[0-5]?[0-9]){1,9}\\.[0-9]*")) {
            return sign + base60(digits);
        }
        if (scalar.getTag().equals(Tag.FLOAT)) {
            return sign + (digits.matches("\\.(?i:inf|nan)") ? digits.substring(1) : digits);
        }
        if (digits.matches("0x[0-9a-fA-F]+")) {
            return sign + new BigInteger(digits.substring(2), 16);
        }
        if (digits.matches("0b[01]+")) {
            return sign + new BigInteger(digits.substring(2), 2);
        }
        if (digits.matches("0[0-7]+")) {
            return sign + new BigInteger(digits, 8);
        }
        if (digits.matches("[0-9]{1,18}(:[0-5]?[0-9]){1,9}")) {
            return sign + base60(digits);
        }
        return sign + digits;
    }

    private static String base60(String digits) {
        BigDecimal value = BigDecimal.ZERO;
        for (String part : digits.split(":")) {
            value = value.multiply(BigDecimal.valueOf(60)).add(new BigDecimal(part));
        }
        return value.toPlainString();
    }

    private static int line(Node node) {
        return node.getStartMark() == null ? 1 : node.getStartMark().getLine() + 1;
    }

    private Dpo4jException refusal(int line, String what) {
        return new Dpo4jException(file + " line " + line + ": " + what);
    }

    /** Start of an error message: file and line of the option's value; empty if the file does not set the option. */
    String origin(String name) {
        Value value = values.get(name);
        return value == null ? "" : file + " line " + value.line + ": ";
    }

    @Override
    public @Nullable String defaultValue(ArgSpec argument) {
        Value value =
                argument instanceof OptionSpec option ? values.get(OptionNames.normalised(option.longestName())) : null;
        return value == null ? null : value.text;
    }
}
