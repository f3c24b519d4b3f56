package org.dpo4j.model.family;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.ChangedConfig;
import org.dpo4j.model.family.Architecture.NormKind;
import org.dpo4j.model.family.Architecture.NormPlacement;
import org.dpo4j.model.family.Architecture.NormTraits;
import org.junit.jupiter.api.Test;

class MechanismsTest {
    private static Architecture layerNorm(String modelType) {
        ModelConfig config =
                Families.read(new ObjectMapper().createObjectNode().put("model_type", modelType), "config.json");
        NormTraits norm = new NormTraits(NormKind.LAYER_NORM, 1e-5, NormPlacement.BEFORE_BRANCH);
        return ChangedConfig.norm(config, norm).architecture();
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
