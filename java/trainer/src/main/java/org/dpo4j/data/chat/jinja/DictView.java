package org.dpo4j.data.chat.jinja;

import java.util.List;

/** What keys(), values() and items() of a dict return. */
record DictView(Dict dict, Kind kind) implements Unhashable {
    enum Kind {
        KEYS("dict_keys"),
        VALUES("dict_values"),
        ITEMS("dict_items");

        final String typeName;

        Kind(String typeName) {
            this.typeName = typeName;
        }
    }

    List<Object> list() {
        return switch (kind) {
            case KEYS -> dict.keys();
            case VALUES -> dict.values();
            case ITEMS -> dict.items();
        };
    }
}
