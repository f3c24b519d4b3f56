package org.dpo4j.data.chat.jinja;

/** A value that cannot be the key of a dict. Lists cannot either. */
interface Unhashable {}
