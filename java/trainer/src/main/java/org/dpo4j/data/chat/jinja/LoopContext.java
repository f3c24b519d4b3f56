package org.dpo4j.data.chat.jinja;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The variable loop. It reads one item ahead only if a template asks for the next item. */
final class LoopContext implements PyObject.Callable, PyObject.Sized {
    /** Renders the body of a recursive loop for other items. */
    interface Recursion {
        Object render(Object items, long depth);
    }

    private final Object iterable;
    private final @Nullable Recursion recursion;
    private final long depth0;
    private Iterator<Object> items;
    private long index0 = -1;
    private long length = -1;
    private @Nullable Object before;
    private @Nullable Object current;
    private @Nullable Object after;
    private @Nullable List<Object> changing;

    LoopContext(Object iterable, Iterator<Object> items, @Nullable Recursion recursion, long depth0) {
        this.iterable = iterable;
        this.items = items;
        this.recursion = recursion;
        this.depth0 = depth0;
    }

    /** The next item; null behind the last one. */
    @Nullable
    Object next() {
        Object item = peek();
        after = null;
        if (item != null) {
            index0++;
            before = current;
            current = item;
        }
        return item;
    }

    private @Nullable Object peek() {
        if (after == null && items.hasNext()) {
            after = items.next();
        }
        return after;
    }

    @Override
    public long length() {
        if (length < 0 && Compare.hasLength(iterable)) {
            length = Compare.length(iterable);
        } else if (length < 0) {
            List<Object> rest = new ArrayList<>();
            items.forEachRemaining(rest::add);
            items = rest.iterator();
            length = rest.size() + index0 + 1 + (after == null ? 0 : 1);
        }
        return length;
    }

    @Override
    public String typeName() {
        return "LoopContext";
    }

    @Override
    public String repr() {
        return "<LoopContext " + (index0 + 1) + "/" + length() + ">";
    }

    @Override
    public @Nullable Object attribute(String name) {
        return switch (name) {
            case "index0" -> index0;
            case "index" -> index0 + 1;
            case "revindex" -> length() - index0;
            case "revindex0" -> length() - index0 - 1;
            case "first" -> index0 == 0;
            case "last" -> peek() == null;
            case "length" -> length();
            case "depth0" -> depth0;
            case "depth" -> depth0 + 1;
            case "previtem" -> index0 == 0 || before == null ? new Undefined("there is no previous item") : before;
            case "nextitem" -> {
                Object next = peek();
                yield next == null ? new Undefined("there is no next item") : next;
            }
            case "cycle" -> new Function(name, this::cycle);
            case "changed" -> new Function(name, this::isChanged);
            default -> null;
        };
    }

    private Object cycle(Arguments arguments) {
        if (!arguments.named().isEmpty() || arguments.positional().isEmpty()) {
            throw new TemplateError("cycle takes one or more values, none by name");
        }
        return arguments.positional().get((int) (index0 % arguments.positional().size()));
    }

    private Object isChanged(Arguments arguments) {
        if (!arguments.named().isEmpty()) {
            throw new TemplateError("changed takes no argument by name");
        }
        List<Object> values = arguments.positional();
        boolean isChanged = changing == null || !Compare.equal(changing, values);
        if (isChanged) {
            changing = values;
        }
        return isChanged;
    }

    @Override
    public Object call(Arguments arguments) {
        Object nested = arguments.bind("loop", "iterable").required(0);
        if (recursion == null) {
            throw new TemplateError("loop can only be called in a loop that is recursive");
        }
        return recursion.render(nested, depth0 + 1);
    }
}
