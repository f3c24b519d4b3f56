package org.dpo4j.data.chat.jinja;

import org.jspecify.annotations.Nullable;

/** A function or method that a template can call. */
record Function(String name, Body body) implements PyObject.Callable {
    /** What it computes. */
    interface Body {
        Object call(Arguments arguments);
    }

    @Override
    public Object call(Arguments arguments) {
        return body.call(arguments);
    }

    @Override
    public String typeName() {
        return "function " + name;
    }

    /** Functions of Python have only attributes whose names begin with __; these two belong to dict and namespace. */
    @Override
    public @Nullable Object attribute(String attribute) {
        if (attribute.equals("fromkeys") || attribute.equals("mro")) {
            throw new TemplateError("attribute '" + attribute + "' of the function " + name + " is not supported");
        }
        return null;
    }
}
