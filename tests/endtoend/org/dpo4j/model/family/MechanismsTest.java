package org.dpo4j.model.family;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.List;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.ChangedConfig;
import org.dpo4j.model.RefusalAssertions;
import org.dpo4j.model.TestFiles;
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

    /** The row of a token in the rotary tables is then not its position. */
    @Test
    void refusesLearnedPositionsBesideLongrope() {
        for (String family : List.of("phi3", "phi3-longrope")) {
            Architecture a = Families.read(
                            TestFiles.golden("families").resolve(family).resolve("config.json"))
                    .architecture();
            Architecture learned = new Architecture(
                    a.vocabSize(),
                    a.hiddenSize(),
                    a.layerCount(),
                    a.maxPositions(),
                    true,
                    a.norm(),
                    a.attention(),
                    a.mlp(),
                    a.scales(),
                    a.isHeadTied());
            if (family.equals("phi3")) {
                assertThatCode(() -> Mechanisms.check(learned)).doesNotThrowAnyException();
            } else {
                RefusalAssertions.assertRefused(() -> Mechanisms.check(learned), "learned positions beside");
            }
        }
    }
}
