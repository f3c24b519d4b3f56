package org.dpo4j.data.chat.jinja;

/** A token of a template; value is the text of data, names and operators, or the value of a literal. */
record Token(Kind kind, Object value, Position position) {
    enum Kind {
        DATA("text"),
        BLOCK_BEGIN("{%"),
        BLOCK_END("%}"),
        VARIABLE_BEGIN("{{"),
        VARIABLE_END("}}"),
        NAME("a name"),
        STRING("a text"),
        NUMBER("a number"),
        OPERATOR("an operator"),
        END("the end of the template");

        final String description;

        Kind(String description) {
            this.description = description;
        }
    }

    boolean isOperator(String operator) {
        return kind == Kind.OPERATOR && value.equals(operator);
    }

    boolean isName(String name) {
        return kind == Kind.NAME && value.equals(name);
    }

    String describe() {
        return switch (kind) {
            case NAME, OPERATOR, NUMBER -> "'" + value + "'";
            default -> kind.description;
        };
    }
}
