package org.dpo4j.model;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.dpo4j.model.family.Families;
import org.dpo4j.model.family.Llama;
import org.dpo4j.model.family.ModelConfig;
import org.dpo4j.model.family.ParameterKind;
import org.junit.jupiter.api.Test;

class ParameterLayoutTest {
    private static final ModelConfig TIED = Llama.config(20, 32, 24, 2, 4, 2, 32, true);
    private static final ModelConfig UNTIED = Llama.config(20, 32, 24, 2, 4, 2, 32, false);
    private static final ModelConfig BIASED = Families.read(
            Llama.config(21, 42, 19, 2, 7, 1, 32, false)
                    .json()
                    .deepCopy()
                    .put("attention_bias", true)
                    .put("mlp_bias", true),
            "biased");
    private static final ModelConfig GPT2 = read("gpt2");
    private static final ModelConfig NEOX = read("gpt-neox");
    private static final ModelConfig STARCODER2 = read("starcoder2");
    /** Heads of 6. */
    private static final ModelConfig ODD = Llama.config(21, 42, 19, 2, 7, 1, 32, false);

    private static ModelConfig read(String family) {
        return Families.read(TestFiles.golden("families").resolve(family).resolve("config.json"));
    }

    /** A weight in no tensor would not be saved. A weight in two tensors would have the value of the one that is read last. */
    @Test
    void tensorsHoldEveryWeightOnce() {
        for (ModelConfig config : List.of(TIED, UNTIED, ODD, BIASED, GPT2, NEOX, STARCODER2)) {
            ParameterLayout layout = new ParameterLayout(config);
            int[] tensorsAt = new int[(int) layout.count()];
            layout.tensors().forEach(tensor -> add(tensorsAt, tensor.placement()));
            int[] parametersAt = new int[(int) layout.count()];
            layout.parameters().forEach(parameter -> add(parametersAt, parameter.placement()));
            assertThat(tensorsAt).containsExactly(parametersAt).doesNotContain(2);
        }
    }

    private static void add(int[] counts, Placement placement) {
        placement.eachRun((row, offset, rows) -> {
            for (int i = 0; i < rows; i++) {
                for (int column = 0; column < placement.columns().size(); column++) {
                    counts[
                            (int) offset
                                    + i * placement.stride()
                                    + placement.columns().at(column)]++;
                }
            }
        });
    }

    /** By hand: head width 6 is stored as 8, hidden size 42 as 48, inner size 19 as 24. */
    @Test
    void paddingFollowsEachHeadAndEachRow() {
        ParameterLayout layout = new ParameterLayout(ODD);
        Parameter qkv = layout.parameter(ParameterKind.QKV, 0);
        assertThat(qkv.count()).isEqualTo((7 + 1 + 1) * 8 * 48);
        assertThat(qkv.placement().count()).isEqualTo((7 + 1 + 1) * 6 * 42);
        assertThat(layout.parameter(ParameterKind.ATTENTION_OUTPUT, 0).count()).isEqualTo(48 * 7 * 8);
        assertThat(layout.parameter(ParameterKind.GATE_UP, 1).count()).isEqualTo(2 * 24 * 48);
        assertThat(layout.parameter(ParameterKind.LAST_NORM).count()).isEqualTo(48);
        List<Long> runs = new ArrayList<>();
        qkv.placement(6 * 6, 12).eachRun((row, offset, rows) -> runs.addAll(List.of(row, offset, (long) rows)));
        long lastHead = qkv.offset() + 6 * 8 * 48;
        assertThat(runs).containsExactly(0L, lastHead, 6L, 6L, lastHead + 8 * 48, 6L);
    }

    @Test
    void alignedSizesHaveNoPadding() {
        for (Parameter parameter : new ParameterLayout(TIED).parameters()) {
            assertThat(parameter.count()).isEqualTo(parameter.placement().count());
            int[] runs = new int[1];
            parameter.placement().eachRun((row, offset, rows) -> runs[0]++);
            assertThat(runs[0]).isEqualTo(1);
        }
    }

    /** As in transformers' Trainer, matrices decay, and norms and biases do not. Parameters begin at multiples of 128. */
    @Test
    void matricesComeFirstAndDecay() {
        ParameterLayout layout = new ParameterLayout(BIASED);
        List<Parameter> decaying = new ArrayList<>();
        for (Parameter parameter : layout.parameters()) {
            assertThat(parameter.offset() % 128).isZero();
            assertThat(parameter.isMatrix()).isEqualTo(parameter.offset() < layout.decayCount());
            assertThat(parameter.initialization().deviation()).isEqualTo(parameter.isMatrix() ? 0.02 : 0);
            if (parameter.offset() < layout.decayCount()) {
                decaying.add(parameter);
            }
        }
        assertThat(decaying).hasSize(2 + 2 * 4);
        assertThat(layout.decayCount() % ParameterLayout.ALIGNMENT).isZero();
    }

    /** torch's LayerNorm begins with 1 and 0. GPT-2 divides the deviation of both output projections by sqrt(2 layers) = 2. */
    @Test
    void initialValuesOfGpt2() {
        ParameterLayout layout = new ParameterLayout(GPT2);
        for (ParameterKind kind : List.of(ParameterKind.QKV, ParameterKind.UP)) {
            assertThat(layout.parameter(kind, 1).initialization()).isEqualTo(Initialization.normal(0.02));
        }
        for (ParameterKind kind : List.of(ParameterKind.ATTENTION_OUTPUT, ParameterKind.DOWN)) {
            assertThat(layout.parameter(kind, 1).initialization()).isEqualTo(Initialization.normal(0.01));
        }
        for (ParameterKind kind : List.of(ParameterKind.EMBEDDING, ParameterKind.POSITION_EMBEDDING)) {
            assertThat(layout.parameter(kind).initialization()).isEqualTo(Initialization.normal(0.02));
        }
        assertThat(layout.parameter(ParameterKind.LAST_NORM).initialization()).isEqualTo(Initialization.ONES);
        assertThat(layout.parameter(ParameterKind.LAST_NORM_BIAS).initialization())
                .isEqualTo(Initialization.ZEROS);
    }

    /** Matrices and position table before the norms. */
    @Test
    void positionsDecayAndNormsDoNot() {
        ParameterLayout layout = new ParameterLayout(GPT2);
        assertThat(layout.parameter(ParameterKind.POSITION_EMBEDDING).offset()).isLessThan(layout.decayCount());
        for (ParameterKind kind :
                List.of(ParameterKind.ATTENTION_NORM_BIAS, ParameterKind.MLP_NORM_BIAS, ParameterKind.UP_BIAS)) {
            assertThat(layout.parameter(kind, 0).offset()).isGreaterThanOrEqualTo(layout.decayCount());
        }
    }

    @Test
    void biasesBeginAsZero() {
        ParameterLayout layout = new ParameterLayout(BIASED);
        for (ParameterKind kind : List.of(
                ParameterKind.QKV_BIAS,
                ParameterKind.ATTENTION_OUTPUT_BIAS,
                ParameterKind.GATE_UP_BIAS,
                ParameterKind.DOWN_BIAS)) {
            assertThat(layout.parameter(kind, 1).initialization()).isEqualTo(Initialization.ZEROS);
            assertThat(new ParameterLayout(UNTIED).parameterOrNull(kind, 1)).isNull();
        }
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
