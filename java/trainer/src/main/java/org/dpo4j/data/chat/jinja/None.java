package org.dpo4j.data.chat.jinja;

/** Python's None. */
enum None {
    NONE
}
