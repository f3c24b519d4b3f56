package org.dpo4j.data.chat.jinja;

/** A filter: {@code value | name(arguments)}. */
interface Filter {
    Object apply(Object value, Arguments arguments);
}
