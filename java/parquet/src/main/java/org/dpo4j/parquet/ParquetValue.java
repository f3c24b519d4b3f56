package org.dpo4j.parquet;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.hardwood.metadata.LogicalType;
import dev.hardwood.row.PqList;
import dev.hardwood.row.PqMap;
import dev.hardwood.row.PqStruct;
import dev.hardwood.schema.SchemaNode;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * Converts a value of a Parquet column to JSON. Structs and maps become objects, lists arrays. Dates and times become
 * text in ISO 8601, decimals exact numbers. Bytes stay bytes, because they may be no text.
 */
final class ParquetValue {
    private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

    private ParquetValue() {}

    /** {@code column}: its full name, for errors. */
    static JsonNode json(@Nullable Object value, SchemaNode node, String column) {
        if (value == null) {
            return JSON.nullNode();
        }
        return node instanceof SchemaNode.GroupNode group
                ? group(value, group, column)
                : primitive(value, (SchemaNode.PrimitiveNode) node, column);
    }

    private static JsonNode group(Object value, SchemaNode.GroupNode node, String column) {
        return switch (value) {
            case PqStruct struct -> struct(struct, node, column);
            case PqList list -> {
                ArrayNode array = JSON.arrayNode(list.size());
                for (int i = 0; i < list.size(); i++) {
                    array.add(
                            list.isNull(i)
                                    ? JSON.nullNode()
                                    : json(list.get(i), node.getListElement(), column + " element"));
                }
                yield array;
            }
            case PqMap map -> map(map, node, column);
            default -> throw UnreadableColumn.ofType(column, String.valueOf(node.logicalType()));
        };
    }

    private static ObjectNode struct(PqStruct struct, SchemaNode.GroupNode node, String column) {
        ObjectNode object = JSON.objectNode();
        for (SchemaNode field : node.children()) {
            object.set(field.name(), json(struct.getValue(field.name()), field, column + "." + field.name()));
        }
        return object;
    }

    private static ObjectNode map(PqMap map, SchemaNode.GroupNode node, String column) {
        ObjectNode object = JSON.objectNode();
        for (PqMap.Entry entry : map.getEntries()) {
            JsonNode key = json(entry.getKey(), node.getMapKey(), column + " key");
            if (!key.isValueNode() || key.isBinary()) {
                throw UnreadableColumn.ofType(column, "map with keys that are no text or numbers");
            }
            object.set(key.asText(), json(entry.getValue(), node.getMapValue(), column + " value"));
        }
        return object;
    }

    private static JsonNode primitive(Object value, SchemaNode.PrimitiveNode node, String column) {
        boolean isUnsigned = node.logicalType() instanceof LogicalType.IntType type && !type.isSigned();
        return switch (value) {
            case String text -> JSON.textNode(text);
            case Boolean truth -> JSON.booleanNode(truth);
            case Byte number -> JSON.numberNode(isUnsigned ? Byte.toUnsignedInt(number) : number);
            case Short number -> JSON.numberNode(isUnsigned ? Short.toUnsignedInt(number) : number);
            case Integer number ->
                isUnsigned ? JSON.numberNode(Integer.toUnsignedLong(number)) : JSON.numberNode(number);
            case Long number ->
                isUnsigned && number < 0
                        ? JSON.numberNode(new BigInteger(Long.toUnsignedString(number)))
                        : JSON.numberNode(number);
            case Float number -> JSON.numberNode(number);
            case Double number -> JSON.numberNode(number);
            case BigDecimal number -> JSON.numberNode(number);
            case byte[] bytes -> JSON.binaryNode(bytes);
            case LocalDate date -> JSON.textNode(date.toString());
            case LocalTime time -> JSON.textNode(DateTimeFormatter.ISO_LOCAL_TIME.format(time));
            case LocalDateTime time -> JSON.textNode(DateTimeFormatter.ISO_LOCAL_DATE_TIME.format(time));
            case Instant time ->
                JSON.textNode(DateTimeFormatter.ISO_OFFSET_DATE_TIME.format(time.atOffset(ZoneOffset.UTC)));
            case UUID id -> JSON.textNode(id.toString());
            default -> throw UnreadableColumn.ofType(column, String.valueOf(node.logicalType()));
        };
    }
}
