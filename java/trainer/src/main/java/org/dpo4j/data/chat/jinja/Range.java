package org.dpo4j.data.chat.jinja;

import java.util.AbstractList;
import java.util.List;

/** A range of Python: its numbers, without storing them. */
final class Range implements Unhashable {
    final long start;
    final long stop;
    final long step;
    final int length;

    Range(long start, long stop, long step) {
        this.start = start;
        this.stop = stop;
        this.step = step;
        long distance = step > 0 ? Math.subtractExact(stop, start) : Math.subtractExact(start, stop);
        long size = Math.abs(step);
        length = Math.toIntExact(distance <= 0 ? 0 : (distance - 1) / size + 1);
    }

    List<Object> items() {
        return new AbstractList<>() {
            @Override
            public Object get(int index) {
                return start + index * step;
            }

            @Override
            public int size() {
                return length;
            }
        };
    }
}
