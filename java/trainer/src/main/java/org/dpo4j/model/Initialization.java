package org.dpo4j.model;

/** How a new model's parameter begins. */
enum Initialization {
    /** Normal with mean 0 and the standard deviation of {@code initializer_range}. */
    NORMAL,
    ONES
}
