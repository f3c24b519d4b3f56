package org.dpo4j.data.chat.jinja;

import java.util.HashSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Where code is compiled.
 *
 * @param isSoft in a branch: an unknown filter or test is an error only where it runs
 * @param buffer what the output goes to, if that is not the text of the template; generation blocks are refused there
 * @param loops loops around this place in the same function
 * @param pending parameters of a macro that have no value yet, while the defaults are computed
 */
record Scope(Symbols symbols, boolean isSoft, @Nullable String buffer, int loops, Set<Symbols.Variable> pending) {
    /** CPython nests no more loops than that. */
    private static final int MAX_LOOPS = 20;

    static Scope root() {
        return new Scope(new Symbols(null, new Symbols.FunctionScope(null)), false, null, 0, new HashSet<>());
    }

    Scope soft() {
        return new Scope(symbols, true, buffer, loops, pending);
    }

    /** A scope in the same function. */
    Scope inner() {
        return new Scope(new Symbols(symbols, symbols.function()), false, buffer, loops, new HashSet<>());
    }

    Scope buffered(String name) {
        return new Scope(symbols, isSoft, name, loops, pending);
    }

    /** The scope of a function inside. */
    Scope function(@Nullable String name) {
        Symbols.FunctionScope function = new Symbols.FunctionScope(symbols.function());
        return new Scope(new Symbols(symbols, function), false, name, 0, new HashSet<>());
    }

    Scope loop(Position position) {
        if (loops >= MAX_LOOPS) {
            throw new TemplateError("more than " + MAX_LOOPS + " loops inside each other", position);
        }
        return new Scope(symbols, isSoft, buffer, loops + 1, pending);
    }
}
