package org.dpo4j.model;

import java.util.SplittableRandom;

/**
 * The weights of a new model, by the {@link Initialization} of each parameter. The same seed gives the same bits on any
 * machine, by {@link SplittableRandom} and Box-Muller (1958) in {@link StrictMath}.
 */
final class InitialWeights {
    private InitialWeights() {}

    static void upload(Parameters parameters, long seed) {
        Staging staging = new Staging();
        SplittableRandom random = new SplittableRandom(seed);
        for (Parameter parameter : parameters.layout().parameters()) {
            Initialization initial = parameter.initialization();
            staging.upload(parameters.flatWeights(), parameter.placement(), "F32", (begin, destination) -> {
                while (destination.hasRemaining()) {
                    destination.putFloat(
                            initial.deviation() == 0
                                    ? initial.mean()
                                    : (float) (initial.mean() + initial.deviation() * normal(random)));
                }
            });
        }
    }

    private static double normal(SplittableRandom random) {
        double radius = StrictMath.sqrt(-2 * StrictMath.log(1 - random.nextDouble()));
        return radius * StrictMath.cos(2 * Math.PI * random.nextDouble());
    }
}
