package org.dpo4j.data.chat.jinja;

/**
 * A value that does not exist: it prints as nothing, is false and has no items; any other use is an error.
 *
 * @param reason what the error says
 */
record Undefined(String reason) {
    static Undefined name(String name) {
        return new Undefined("'" + name + "' is undefined");
    }

    TemplateError error() {
        return TemplateError.undefined(reason);
    }
}
