package org.dpo4j.data.chat.jinja;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** One rendering of a template: its variables, the spans of generation blocks and what it may still use. */
final class Rendering {
    /** A conversation of a hundred messages takes about ten thousand steps. */
    private static final int MAX_STEPS = 5_000_000;

    /** A row with two answers is rendered three times. A conversation takes less than a millisecond. */
    private static final int MAX_SECONDS = 3;

    /** Characters of all texts that a rendering makes; an item of a list counts as eight. */
    private static final long MAX_CHARACTERS = 1L << 27;

    /** Python gives up at about twice this depth. */
    private static final int MAX_CALLS = 100;

    private final Map<String, Object> variables;
    private final Map<String, Object> globals;
    private final List<Output.Span> generated = new ArrayList<>();
    private final long start = System.nanoTime();
    private int steps;
    private long characters;
    private int calls;

    Rendering(Map<String, Object> variables, Map<String, Object> globals) {
        this.variables = variables;
        this.globals = globals;
    }

    /** A variable that the template does not assign; null if there is none. */
    @Nullable
    Object resolve(String name) {
        Object value = variables.get(name);
        if (value != null) {
            return value;
        }
        if (Globals.REFUSED.contains(name)) {
            throw new TemplateError("the function " + name + " is not supported");
        }
        return globals.get(name);
    }

    void step() {
        if (++steps > MAX_STEPS) {
            throw new TemplateError("the template takes more than " + MAX_STEPS + " steps");
        }
        if ((steps & 0x3f) == 0 && System.nanoTime() - start > MAX_SECONDS * 1_000_000_000L) {
            throw new TemplateError("the template takes more than " + MAX_SECONDS + " seconds");
        }
    }

    /** Counts a step and the text that it made. */
    Object made(Object value) {
        step();
        if (value instanceof String text) {
            characters += text.length();
        } else if (value instanceof List<?> list) {
            characters += list.size() * 8L;
        } else if (value instanceof Tuple tuple) {
            characters += tuple.items().size() * 8L;
        }
        if (characters > MAX_CHARACTERS) {
            throw new TemplateError("the template makes texts of more than " + MAX_CHARACTERS + " characters");
        }
        return value;
    }

    void enterCall() {
        if (++calls > MAX_CALLS) {
            throw new TemplateError("macros call each other more than " + MAX_CALLS + " deep");
        }
    }

    void leaveCall() {
        calls--;
    }

    void addGenerated(int begin, int end) {
        generated.add(new Output.Span(begin, end));
    }

    List<Output.Span> generated() {
        return List.copyOf(generated);
    }
}
