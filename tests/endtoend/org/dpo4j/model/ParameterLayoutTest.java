package org.dpo4j.model;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.dpo4j.model.family.Llama;
import org.dpo4j.model.family.ModelConfig;
import org.dpo4j.model.family.ParameterKind;
import org.junit.jupiter.api.Test;

class ParameterLayoutTest {
    private static final ModelConfig TIED = Llama.config(20, 32, 24, 2, 4, 2, 32, true);
    private static final ModelConfig UNTIED = Llama.config(20, 32, 24, 2, 4, 2, 32, false);

    /** A weight in no tensor would not be saved. A weight in two tensors would have the value of the one that is read last. */
    @Test
    void tensorsHoldEveryWeightOnce() {
        for (ModelConfig config : List.of(TIED, UNTIED)) {
            ParameterLayout layout = new ParameterLayout(config);
            int[] tensorsAt = new int[(int) layout.count()];
            layout.tensors().forEach(tensor -> add(tensorsAt, tensor.offset(), tensor.count()));
            int[] parametersAt = new int[(int) layout.count()];
            layout.parameters().forEach(parameter -> add(parametersAt, parameter.offset(), parameter.count()));
            assertThat(tensorsAt).containsExactly(parametersAt).doesNotContain(2);
        }
    }

    private static void add(int[] counts, long offset, long count) {
        for (long i = offset; i < offset + count; i++) {
            counts[(int) i]++;
        }
    }

    /** As in transformers' Trainer, matrices decay and norms do not. Parameters begin at multiples of 128. */
    @Test
    void matricesComeFirstAndDecay() {
        ParameterLayout layout = new ParameterLayout(UNTIED);
        List<Parameter> decaying = new ArrayList<>();
        for (Parameter parameter : layout.parameters()) {
            assertThat(parameter.offset() % 128).isZero();
            assertThat(parameter.isMatrix()).isEqualTo(parameter.offset() < layout.decayCount());
            assertThat(parameter.initialization())
                    .isEqualTo(parameter.isMatrix() ? Initialization.NORMAL : Initialization.ONES);
            if (parameter.offset() < layout.decayCount()) {
                decaying.add(parameter);
            }
        }
        assertThat(decaying).hasSize(2 + 2 * 4);
        assertThat(layout.decayCount() % ParameterLayout.ALIGNMENT).isZero();
    }

    @Test
    void aTiedHeadIsTheEmbedding() {
        ParameterLayout tied = new ParameterLayout(TIED);
        assertThat(tied.head()).isEqualTo(tied.parameter(ParameterKind.EMBEDDING));
        ParameterLayout untied = new ParameterLayout(UNTIED);
        assertThat(untied.head())
                .isEqualTo(untied.parameter(ParameterKind.HEAD))
                .isNotEqualTo(tied.head());
    }
}
