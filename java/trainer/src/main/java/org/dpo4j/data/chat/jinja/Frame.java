package org.dpo4j.data.chat.jinja;

import org.jspecify.annotations.Nullable;

/** One call of a function of the template: its variables, null where nothing is assigned, and its output. */
final class Frame {
    final @Nullable Object[] slots;
    final Rendering rendering;
    private final @Nullable Frame outer;

    /** Where statements print to. */
    StringBuilder out;

    Frame(int slots, @Nullable Frame outer, Rendering rendering, StringBuilder out) {
        this.slots = new @Nullable Object[slots];
        this.outer = outer;
        this.rendering = rendering;
        this.out = out;
    }

    /** The frame of the function that many levels further out. */
    Frame up(int levels) {
        Frame frame = this;
        for (int i = 0; i < levels; i++) {
            if (frame.outer == null) {
                throw new IllegalStateException("no frame outside of the template");
            }
            frame = frame.outer;
        }
        return frame;
    }

    void print(String text) {
        out.append(text);
        Text.checkLength(out.length());
    }
}
