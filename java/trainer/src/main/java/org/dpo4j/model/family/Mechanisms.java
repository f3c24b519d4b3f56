package org.dpo4j.model.family;

import org.dpo4j.model.family.Architecture.NormKind;
import org.dpo4j.model.family.Architecture.QueryKeyNorm;

/**
 * Refuses what an {@link Architecture} can describe and the blocks of {@code org.dpo4j.model} do not compute. Who adds
 * the code of a mechanism removes its line here.
 */
final class Mechanisms {
    private Mechanisms() {}

    /** Throws, with the name of the mechanism, if the blocks do not compute this architecture. */
    static void check(Architecture architecture) {
        refuse(
                architecture.norm().kind() == NormKind.LAYER_NORM
                        && architecture.attention().norm() != QueryKeyNorm.NONE,
                "LayerNorm of queries and keys");
        refuse(
                architecture.hasPositionEmbedding() && architecture.shortLength() < Integer.MAX_VALUE,
                "learned positions beside rotary positions that depend on the length of the sequence (longrope)");
    }

    private static void refuse(boolean isPresent, String mechanism) {
        ConfigJson.check(!isPresent, "the model has " + mechanism + ", which is not supported; use a model without");
    }
}
