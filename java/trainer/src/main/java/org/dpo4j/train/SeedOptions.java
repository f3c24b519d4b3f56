package org.dpo4j.train;

import picocli.CommandLine.Option;

/** The seed of all random choices. */
public final class SeedOptions extends OptionGroup {

    /** Of the order of rows, of samples, of what is rounded at random. */
    @Option(names = "--seed", description = "Seed of all random choices; default ${DEFAULT-VALUE}.")
    long seed;

    public SeedOptions(long seed) {
        this.seed = seed;
    }

    public long seed() {
        return seed;
    }
}
