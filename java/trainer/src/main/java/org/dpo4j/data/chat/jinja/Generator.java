package org.dpo4j.data.chat.jinja;

import java.util.Iterator;

/** An iterator of Python, as filters such as map return: its items can be read once. */
final class Generator implements Iterator<Object> {
    private final Iterator<Object> items;

    Generator(Iterator<Object> items) {
        this.items = items;
    }

    @Override
    public boolean hasNext() {
        return items.hasNext();
    }

    @Override
    public Object next() {
        return items.next();
    }
}
