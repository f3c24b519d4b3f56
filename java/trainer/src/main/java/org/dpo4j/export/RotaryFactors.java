package org.dpo4j.export;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.dpo4j.model.family.RopeScaling.Llama3;
import org.dpo4j.model.family.Rotation;

/**
 * The tensor {@code rope_freqs.weight}: llama.cpp divides each rotary frequency by its element. It is how a file states
 * the positions of Llama 3.1.
 */
final class RotaryFactors {
    static final String NAME = "rope_freqs.weight";

    private RotaryFactors() {}

    /** Little-endian float32 numbers, one for each frequency. */
    static ByteBuffer bytes(Rotation rotation, Llama3 scaling) {
        float[] plain = new Rotation(rotation.theta(), rotation.width()).frequencies();
        ByteBuffer factors = ByteBuffer.allocate(plain.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        for (float frequency : plain) {
            factors.putFloat((float) factor(2 * Math.PI / frequency, scaling));
        }
        return factors.flip();
    }

    /** The divisor of a frequency with that wavelength: 1 for short ones, the factor for long ones, between them a mean. */
    private static double factor(double wavelength, Llama3 scaling) {
        double turns = scaling.originalPositions() / wavelength;
        if (turns > scaling.highFrequencyFactor()) {
            return 1;
        }
        if (turns < scaling.lowFrequencyFactor()) {
            return scaling.factor();
        }
        double kept =
                (turns - scaling.lowFrequencyFactor()) / (scaling.highFrequencyFactor() - scaling.lowFrequencyFactor());
        return 1 / ((1 - kept) / scaling.factor() + kept);
    }
}
