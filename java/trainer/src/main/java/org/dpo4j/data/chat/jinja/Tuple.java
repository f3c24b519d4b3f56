package org.dpo4j.data.chat.jinja;

import java.util.List;

/** A tuple of Python. Lists are instances of {@link List}. */
record Tuple(List<Object> items) {}
