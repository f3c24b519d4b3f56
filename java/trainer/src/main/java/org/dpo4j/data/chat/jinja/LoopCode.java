package org.dpo4j.data.chat.jinja;

import java.util.Iterator;
import java.util.NoSuchElementException;
import org.dpo4j.data.chat.jinja.Code.Action;
import org.dpo4j.data.chat.jinja.Code.Flow;
import org.jspecify.annotations.Nullable;

/**
 * The compiled parts of a loop.
 *
 * @param loopSlot where the variable loop is; null if the body does not read it
 */
record LoopCode(
        @Nullable Integer loopSlot,
        @Nullable Condition test,
        Code.Store target,
        Enter enter,
        Action action,
        @Nullable Action otherwise,
        Enter enterOtherwise) {
    Flow run(Frame frame, Frame testFrame, Object iterable, LoopContext.@Nullable Recursion recursion, long depth) {
        Iterator<Object> iterator = Compare.iterate(iterable);
        boolean isTested = test != null;
        Iterator<Object> items = test != null ? test.filter(iterator, testFrame) : iterator;
        LoopContext loop = new LoopContext(isTested ? new Generator(items) : iterable, items, recursion, depth);
        boolean isCompleted = false;
        Flow flow = Flow.NEXT;
        for (Object item = loop.next(); item != null && flow != Flow.BREAK; item = next(loop, flow)) {
            frame.rendering.step();
            target.run(frame, item);
            if (loopSlot != null) {
                frame.slots[loopSlot] = loop;
            }
            enter.run(frame);
            flow = action.run(frame);
            isCompleted |= flow == Flow.NEXT;
        }
        enter.leave(frame);
        if (otherwise == null || isCompleted) {
            return Flow.NEXT;
        }
        enterOtherwise.run(frame);
        flow = otherwise.run(frame);
        enterOtherwise.leave(frame);
        return flow;
    }

    private static @Nullable Object next(LoopContext loop, Flow flow) {
        return flow == Flow.BREAK ? null : loop.next();
    }

    /** The condition of a loop: which items it takes. */
    record Condition(Enter enter, Code.Store target, Code condition) {
        Iterator<Object> filter(Iterator<Object> items, Frame frame) {
            enter.run(frame);
            return new Iterator<>() {
                private @Nullable Object found;

                @Override
                public boolean hasNext() {
                    while (found == null && items.hasNext()) {
                        frame.rendering.step();
                        Object item = items.next();
                        target.run(frame, item);
                        found = Compare.isTrue(condition.run(frame)) ? item : null;
                    }
                    return found != null;
                }

                @Override
                public Object next() {
                    if (!hasNext() || found == null) {
                        throw new NoSuchElementException();
                    }
                    Object item = found;
                    found = null;
                    return item;
                }
            };
        }
    }

    /** A loop that calls itself by loop(items). */
    record Recursive(LoopCode body, int slots, Frame outer) implements LoopContext.Recursion {
        @Override
        public Object render(Object items, long depth) {
            outer.rendering.enterCall();
            Frame frame = new Frame(slots, outer, outer.rendering, new StringBuilder());
            body.run(frame, outer, items, this, depth);
            outer.rendering.leaveCall();
            return frame.out.toString();
        }
    }
}
