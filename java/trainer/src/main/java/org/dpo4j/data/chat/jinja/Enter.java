package org.dpo4j.data.chat.jinja;

import java.util.ArrayList;
import java.util.List;

/** Gives the variables of a scope their first values, and takes them away behind it. */
final class Enter {
    private record Alias(int slot, int levels, int source) {}

    private record Resolve(int slot, String name) {}

    private final List<Alias> aliases = new ArrayList<>();
    private final List<Resolve> resolves = new ArrayList<>();
    private final List<Integer> undefined = new ArrayList<>();
    private final List<Integer> all = new ArrayList<>();

    Enter(Symbols symbols) {
        symbols.loads().forEach((variable, load) -> {
            all.add(variable.slot());
            Symbols.Variable source = load.source();
            if (load.kind() == Symbols.Kind.RESOLVE) {
                resolves.add(new Resolve(variable.slot(), load.name()));
            } else if (load.kind() == Symbols.Kind.UNDEFINED) {
                undefined.add(variable.slot());
            } else if (source != null) {
                int levels = symbols.function().depth - source.function().depth;
                aliases.add(new Alias(variable.slot(), levels, source.slot()));
            }
        });
    }

    void run(Frame frame) {
        for (Alias alias : aliases) {
            frame.slots[alias.slot()] = frame.up(alias.levels()).slots[alias.source()];
        }
        for (Resolve resolve : resolves) {
            frame.slots[resolve.slot()] = frame.rendering.resolve(resolve.name());
        }
        for (int slot : undefined) {
            frame.slots[slot] = null;
        }
    }

    void leave(Frame frame) {
        for (int slot : all) {
            frame.slots[slot] = null;
        }
    }
}
