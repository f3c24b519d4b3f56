package org.dpo4j.train;

import picocli.CommandLine.Option;

/** The seed of all random choices. */
public final class SeedOptions extends OptionGroup {

    /** Seed of the order of rows, of samples and of stochastic rounding. */
    @Option(names = "--seed", description = "Seed of all random choices; default ${DEFAULT-VALUE}.")
    long seed;

    public SeedOptions(long seed) {
        this.seed = seed;
    }

    public long seed() {
        return seed;
    }
}
