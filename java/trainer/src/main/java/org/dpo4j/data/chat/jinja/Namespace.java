package org.dpo4j.data.chat.jinja;

import org.jspecify.annotations.Nullable;

/** What namespace() returns: the only value that a template can change. */
final class Namespace implements PyObject {
    private final Dict attributes;

    Namespace(Dict attributes) {
        attributes.keys().forEach(Namespace::check);
        this.attributes = attributes;
    }

    void set(String name, Object value) {
        check(name);
        attributes.put(name, value);
    }

    private static void check(Object name) {
        if (name instanceof String text && text.startsWith("_")) {
            throw new TemplateError("the name of a namespace's attribute cannot begin with _: " + text);
        }
    }

    @Override
    public String typeName() {
        return "Namespace";
    }

    @Override
    public @Nullable Object attribute(String name) {
        return attributes.getText(name);
    }

    @Override
    public String repr() {
        return "<Namespace " + Text.repr(attributes) + ">";
    }
}
