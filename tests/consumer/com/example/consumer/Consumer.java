package com.example.consumer;

/**
 * Runs two programs of examples/, which ConsumerTest compiles into this package. The arguments are those of TrainDpo.
 */
public final class Consumer {
    private Consumer() {}

    public static void main(String[] arguments) {
        EmbedKernels.main(new String[] {"cpu"});
        TrainDpo.main(arguments);
    }
}
