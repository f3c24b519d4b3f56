package org.dpo4j.data.chat.jinja;

import java.math.BigInteger;
import java.util.List;

/** Names of Python's types, for errors. */
final class Types {
    private Types() {}

    static String name(Object value) {
        if (value instanceof String) {
            return "str";
        }
        if (value instanceof Long || value instanceof BigInteger) {
            return "int";
        }
        if (value instanceof Boolean) {
            return "bool";
        }
        if (value instanceof Double) {
            return "float";
        }
        if (value instanceof None) {
            return "None";
        }
        if (value instanceof List) {
            return "list";
        }
        if (value instanceof PyObject object) {
            return object.typeName();
        }
        if (value instanceof DictView view) {
            return view.kind().typeName;
        }
        if (value instanceof Tuple) {
            return "tuple";
        }
        if (value instanceof Dict) {
            return "dict";
        }
        if (value instanceof Range) {
            return "range";
        }
        return value instanceof Generator ? "generator" : value instanceof Undefined ? "Undefined" : "Markup";
    }
}
