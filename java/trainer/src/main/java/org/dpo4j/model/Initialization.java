package org.dpo4j.model;

/**
 * Initial values of a parameter of a new model: {@code mean} plus a normal distribution with that standard deviation, which
 * may be 0.
 */
record Initialization(float mean, double deviation) {
    static final Initialization ONES = new Initialization(1, 0);
    static final Initialization ZEROS = new Initialization(0, 0);

    static Initialization normal(double deviation) {
        return new Initialization(0, deviation);
    }
}
