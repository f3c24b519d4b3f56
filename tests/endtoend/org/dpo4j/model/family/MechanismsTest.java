package org.dpo4j.model.family;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.family.Architecture.NormKind;
import org.dpo4j.model.family.Architecture.NormPlacement;
import org.dpo4j.model.family.Architecture.NormTraits;
import org.junit.jupiter.api.Test;

class MechanismsTest {
    private static Architecture layerNorm(String modelType) {
        Architecture a = Families.read(
                        new ObjectMapper().createObjectNode().put("model_type", modelType), "config.json")
                .architecture();
        return new Architecture(
                a.vocabSize(),
                a.hiddenSize(),
                a.layerCount(),
                a.maxPositions(),
                a.hasPositionEmbedding(),
                new NormTraits(NormKind.LAYER_NORM, 1e-5, NormPlacement.BEFORE_BRANCH),
                a.attention(),
                a.mlp(),
                a.scales(),
                a.isHeadTied());
    }

    /** The norms of queries and keys have strides, which LayerNorm has not. */
    @Test
    void refusesLayerNormOfQueriesAndKeys() {
        assertThatCode(() -> Mechanisms.check(layerNorm("qwen2"))).doesNotThrowAnyException();
        assertThatThrownBy(() -> Mechanisms.check(layerNorm("qwen3")))
                .isInstanceOf(Dpo4jException.class)
                .hasMessageContaining("LayerNorm of queries and keys");
    }
}
