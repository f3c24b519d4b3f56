package org.dpo4j.data.chat.jinja;

import org.jspecify.annotations.Nullable;

/** A value with a type of its own: a namespace, a macro, a loop, a function. */
interface PyObject {
    /** The name of its type, as errors say it. */
    String typeName();

    /** An attribute, or null if it has none of that name. */
    default @Nullable Object attribute(String name) {
        throw new TemplateError("attribute '" + name + "' of a " + typeName() + " is not supported");
    }

    /** Its text, if that is the same in every run. */
    default String repr() {
        throw new TemplateError("the text of a " + typeName() + " is not supported: it holds an address in Python");
    }

    /** A value that can be called. */
    interface Callable extends PyObject {
        Object call(Arguments arguments);
    }

    /** A value with a length. */
    interface Sized extends PyObject {
        long length();
    }
}
