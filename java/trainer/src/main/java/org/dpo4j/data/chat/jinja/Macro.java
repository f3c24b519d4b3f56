package org.dpo4j.data.chat.jinja;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** A macro, or the body of a call block: a function that returns the text that it prints. */
final class Macro implements PyObject.Callable {
    /** What all calls of a macro share. A slot of -1: the macro does not read that name. */
    record Definition(
            @Nullable String name,
            List<String> parameters,
            List<Integer> slots,
            List<@Nullable Code> defaults,
            int callerSlot,
            int namedSlot,
            int restSlot,
            Symbols symbols,
            Enter enter,
            Code.Action body) {}

    private final Definition definition;
    private final Frame outer;

    Macro(Definition definition, Frame outer) {
        this.definition = definition;
        this.outer = outer;
    }

    @Override
    public String typeName() {
        return "Macro";
    }

    @Override
    public String repr() {
        String name = definition.name();
        return "<Macro " + (name == null ? "anonymous" : Text.repr(name)) + ">";
    }

    @Override
    public @Nullable Object attribute(String attribute) {
        String name = definition.name();
        return switch (attribute) {
            case "name" -> name == null ? None.NONE : name;
            case "arguments" -> new Tuple(new ArrayList<>(definition.parameters()));
            case "catch_kwargs" -> definition.namedSlot() >= 0;
            case "catch_varargs" -> definition.restSlot() >= 0;
            case "caller" -> definition.callerSlot() >= 0;
            case "explicit_caller" -> false;
            default -> null;
        };
    }

    @Override
    public Object call(Arguments arguments) {
        outer.rendering.enterCall();
        Frame frame = new Frame(definition.symbols().function().slots(), outer, outer.rendering, new StringBuilder());
        bind(frame, arguments);
        definition.enter().run(frame);
        for (int i = 0; i < definition.slots().size(); i++) {
            int slot = definition.slots().get(i);
            if (frame.slots[slot] == null) {
                Code absent = definition.defaults().get(i);
                String parameter = definition.parameters().get(i);
                frame.slots[slot] = absent == null
                        ? new Undefined("parameter '" + parameter + "' was not provided")
                        : absent.run(frame);
            }
        }
        definition.body().run(frame);
        outer.rendering.leaveCall();
        return frame.out.toString();
    }

    private void bind(Frame frame, Arguments arguments) {
        List<Object> positional = arguments.positional();
        Map<String, Object> named = new LinkedHashMap<>(arguments.named());
        int count = definition.slots().size();
        for (int i = 0; i < count; i++) {
            String parameter = definition.parameters().get(i);
            frame.slots[definition.slots().get(i)] =
                    i < positional.size() ? positional.get(i) : named.remove(parameter);
        }
        if (definition.callerSlot() >= 0) {
            Object caller = named.remove("caller");
            frame.slots[definition.callerSlot()] =
                    caller == null || caller instanceof None ? new Undefined("no caller is defined") : caller;
        }
        if (definition.namedSlot() >= 0) {
            Dict rest = new Dict();
            named.forEach(rest::put);
            frame.slots[definition.namedSlot()] = rest;
        } else if (!named.isEmpty()) {
            throw new TemplateError("the macro " + definition.name() + " has no argument "
                    + named.keySet().iterator().next());
        }
        if (definition.restSlot() >= 0) {
            frame.slots[definition.restSlot()] = new Tuple(
                    new ArrayList<>(positional.subList(Math.min(count, positional.size()), positional.size())));
        } else if (positional.size() > count) {
            throw new TemplateError("the macro " + definition.name() + " takes at most " + count + " arguments, not "
                    + positional.size());
        }
    }
}
