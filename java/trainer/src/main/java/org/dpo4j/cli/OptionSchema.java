package org.dpo4j.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.dpo4j.io.JsonFile;
import org.dpo4j.train.DatasetList;
import org.dpo4j.train.EvalDatasets;
import org.dpo4j.train.OptionMap;
import org.dpo4j.train.OptionRange;
import picocli.CommandLine.Model.CommandSpec;

/**
 * A JSON Schema (draft 7) of the YAML files of a command. It accepts the files that {@link ConfigFile} accepts, except
 * names with dashes, and values that only YAML 1.1 reads as booleans and numbers, such as {@code yes} and {@code 1:30}.
 * Options that dpo4j lacks ({@link
 * OtherOptions}) are patterns, so that editors check them but do not suggest them.
 */
final class OptionSchema {
    /** Text that PyYAML and ConfigFile read as a number, but a parser of YAML 1.2 or 1.1 as a string. */
    private static final String NUMBER_TEXT = "^[-+]?[0-9._]+([eE][-+]?[0-9]+)?$";

    private OptionSchema() {}

    /** The schema; descriptions must be interpolated. */
    static ObjectNode schema(CommandSpec command) {
        ObjectNode schema = JsonFile.object();
        schema.put("$schema", "http://json-schema.org/draft-07/schema#");
        schema.put("title", "dpo4j " + command.name());
        schema.put("description", String.join(" ", command.usageMessage().description()));
        schema.put("type", "object");
        schema.put("additionalProperties", false);
        ObjectNode properties = schema.putObject("properties");
        for (DescribedOption option : DescribedOption.settable(command)) {
            properties.set(option.name(), property(option));
        }
        Set<String> known = OptionNames.settable(command);
        schema.set("patternProperties", others(known));
        return schema;
    }

    private static ObjectNode property(DescribedOption option) {
        ObjectNode property = JsonFile.object();
        property.put("description", option.text() + " Values: " + option.values() + ".");
        if (OptionTypes.isGrid(option.option())) {
            property.putArray("type").add("object").add("string");
            property.putObject("additionalProperties").put("type", "array").put("minItems", 1);
        } else if (option.isList()) {
            ArrayNode forms = property.putArray("anyOf");
            forms.add(value(JsonFile.object(), option));
            ObjectNode list = forms.addObject().put("type", "array").put("minItems", 1);
            list.set("items", value(JsonFile.object(), option));
            forms.addObject().put("type", "string"); // a,b
        } else {
            value(property, option);
        }
        if (option.byDefault() != null && !option.isList()) {
            putDefault(property, option, option.byDefault());
        }
        return property;
    }

    private static ObjectNode value(ObjectNode schema, DescribedOption option) {
        if (!option.candidates().isEmpty()) {
            ArrayNode values = schema.putArray("enum");
            option.candidates().forEach(values::add);
            if (option.candidates().contains("no")) {
                values.add(false); // which no is in YAML 1.1
            }
            values.addNull();
            return schema;
        }
        ArrayNode types = schema.putArray("type");
        if (OptionTypes.isBoolean(option.option())) {
            types.add("boolean").add("null");
        } else if (OptionTypes.isNumeric(option.option())) {
            types.add(option.isWhole() ? "integer" : "number").add("string").add("null");
            schema.put("pattern", NUMBER_TEXT);
            OptionRange.find(option.name()).ifPresent(range -> putRange(schema, range));
        } else if (option.type() == OptionMap.class) {
            types.add("object").add("string").add("null");
        } else if (option.type() == EvalDatasets.class) {
            types.add("object").add("string").add("null");
        } else if (option.type() == DatasetList.class) {
            types.add("array").add("string").add("null");
        } else {
            types.add("string").add("number").add("boolean").add("null"); // a text keeps the characters of the file
        }
        return schema;
    }

    private static void putRange(ObjectNode schema, OptionRange range) {
        putBound(schema, range.min() == Double.MIN_VALUE ? "exclusiveMinimum" : "minimum", range.min());
        putBound(schema, range.max() == Math.nextDown(1.0) ? "exclusiveMaximum" : "maximum", range.max());
    }

    private static void putBound(ObjectNode schema, String key, double bound) {
        double shown = key.equals("exclusiveMinimum") ? 0 : key.equals("exclusiveMaximum") ? 1 : bound;
        if (shown == Math.rint(shown) && Math.abs(shown) < 1e15) {
            schema.put(key, (long) shown);
        } else {
            schema.put(key, shown);
        }
    }

    private static void putDefault(ObjectNode property, DescribedOption option, String value) {
        if (OptionTypes.isBoolean(option.option())) {
            property.put("default", Boolean.parseBoolean(value));
        } else if (option.isWhole()) {
            property.put("default", Long.parseLong(value));
        } else if (OptionTypes.isNumeric(option.option())) {
            property.put("default", Double.parseDouble(value));
        } else {
            property.put("default", value);
        }
    }

    /** The options of TRL that the command lacks, grouped by the values that are accepted. */
    private static ObjectNode others(Set<String> known) {
        Map<List<String>, String> names = new LinkedHashMap<>();
        for (OtherOptions other : OtherOptions.all()) {
            if (!known.contains(other.name())) {
                String pattern = other.name().replace("*", ".*");
                names.merge(other.accepted(), pattern, (before, next) -> before + "|" + next);
            }
        }
        ObjectNode patterns = JsonFile.object();
        names.forEach((accepted, alternatives) -> patterns.putObject("^(" + alternatives + ")$")
                .put(
                        "description",
                        "An option of TRL that dpo4j does not have. Values that it accepts: "
                                + String.join(", ", accepted)
                                + ". Any other value is refused with advice."));
        return patterns;
    }
}
