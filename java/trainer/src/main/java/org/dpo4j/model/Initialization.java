package org.dpo4j.model;

/** Initial values of a parameter of a new model. */
enum Initialization {
    /** Normal distribution with mean 0 and standard deviation {@code initializer_range}. */
    NORMAL,
    ONES,
    ZEROS
}
