package org.dpo4j.kernels.internal;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Devices;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.LossType;
import org.dpo4j.kernels.MatmulShape;
import org.dpo4j.kernels.PreferenceLoss;
import org.dpo4j.kernels.PreferenceOptions;
import org.dpo4j.kernels.SequenceSum;
import org.dpo4j.kernels.SequenceSum.Sequences;
import org.dpo4j.kernels.TokenLogProb;
import org.dpo4j.kernels.TokenLogProb.Logits;
import org.dpo4j.kernels.TokenLogProb.LogitsGradient;
import org.dpo4j.kernels.TokenLogProb.TokenResults;
import org.dpo4j.kernels.UnpairedLoss;
import org.dpo4j.kernels.decoder.Activation;
import org.dpo4j.kernels.decoder.AdamW;
import org.dpo4j.kernels.decoder.AdamW8bit;
import org.dpo4j.kernels.decoder.AdamWOptions;
import org.dpo4j.kernels.decoder.Attention;
import org.dpo4j.kernels.decoder.ColumnSum;
import org.dpo4j.kernels.decoder.CopyRows;
import org.dpo4j.kernels.decoder.CountStep;
import org.dpo4j.kernels.decoder.Dequantize4bit;
import org.dpo4j.kernels.decoder.Embedding;
import org.dpo4j.kernels.decoder.GradientNorm;
import org.dpo4j.kernels.decoder.LayerNorm;
import org.dpo4j.kernels.decoder.Lerp;
import org.dpo4j.kernels.decoder.Lion;
import org.dpo4j.kernels.decoder.MatrixShape;
import org.dpo4j.kernels.decoder.QuantType;
import org.dpo4j.kernels.decoder.Quantize4bit;
import org.dpo4j.kernels.decoder.Residual;
import org.dpo4j.kernels.decoder.RmsNorm;
import org.dpo4j.kernels.decoder.RmsProp;
import org.dpo4j.kernels.decoder.Rope;
import org.dpo4j.kernels.decoder.SampleTokens;
import org.dpo4j.kernels.decoder.ScaleRows;
import org.dpo4j.kernels.decoder.Sgd;
import org.dpo4j.kernels.decoder.UniformNoise;
import org.dpo4j.kernels.decoder.WeightUpdate;
import org.dpo4j.kernels.head.LmHeadExponentials;
import org.dpo4j.kernels.head.LmHeadForward;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Compares params structs as Java writes them with the layout of {@code dpo4j.h} that {@code libdpo4j.so} was compiled
 * with.
 */
class StructLayoutTest {
    private static final int TEXT_BYTES = 8192;

    /** A call that writes a struct with null addresses, so that it is refused or has nothing to do. */
    private record Call(String operation, Consumer<Device> run) {
        String struct() {
            return "dpo4j_" + operation + "_params";
        }

        @Override
        public String toString() {
            return operation;
        }
    }

    private static List<Call> calls() {
        return Stream.of(attention(), decoder(), losses(), training())
                .flatMap(List::stream)
                .toList();
    }

    private static List<Call> attention() {
        Attention.Shape shape = new Attention.Shape(1, 1, 8, new Attention.Strides(8, 8, 8), 1, DType.F32);
        Attention.Segments segments = new Attention.Segments(0, 1, 1, 1);
        Attention.Inputs inputs = new Attention.Inputs(0, 0, 0);
        Attention.Saved saved = new Attention.Saved(0, 0);
        Attention.Gradients gradients = new Attention.Gradients(0, 0, 0, 0);
        return List.of(
                new Call("attention_forward", on -> Attention.forward(on, saved, inputs, segments, 0, shape)),
                new Call(
                        "attention_backward",
                        on -> Attention.backward(on, gradients, inputs, saved, segments, 0, shape)));
    }

    private static List<Call> decoder() {
        MatrixShape rows = new MatrixShape(1, 8, DType.F32);
        RmsNorm.Shape normRows = new RmsNorm.Shape(1, 8, DType.F32);
        RmsNorm.Inputs norm = new RmsNorm.Inputs(0, 0);
        RmsNorm.Results normed = new RmsNorm.Results(0, 0);
        RmsNorm.Gradients gradients = new RmsNorm.Gradients(0, 0, 0, 0);
        LayerNorm.Shape layerRows = new LayerNorm.Shape(1, 8, DType.F32);
        LayerNorm.Inputs layer = new LayerNorm.Inputs(0, 0, 0);
        LayerNorm.Saved saved = new LayerNorm.Saved(0, 0);
        LayerNorm.Gradients layerGradients = new LayerNorm.Gradients(0, 0, 0, 0, 0);
        Activation.Function activation = new Activation.Function(Activation.Kind.SILU, true);
        Embedding.Table table = new Embedding.Table(0, 8, DType.F32);
        Embedding.SortedRows sorted = new Embedding.SortedRows(0, 0, 0, 1);
        Rope.Shape rope = new Rope.Shape(1, 8, 8, DType.F32);
        Rope.Table angles = new Rope.Table(0, 0, 1);
        MatmulShape product = MatmulShape.contiguous(1, 1, 1, DType.F32, DType.F32);
        return List.of(
                new Call("matmul", on -> on.matmul(0, 0, 0, product, false)),
                new Call("pack_panels", on -> on.packPanels(0, 16, 16, DType.F32)),
                new Call("embedding_forward", on -> Embedding.forward(on, 0, table, new Embedding.Indices(0, 1, 1))),
                new Call("embedding_backward", on -> Embedding.backward(on, table, 0, sorted, DType.F32)),
                new Call(
                        "copy_rows",
                        on -> CopyRows.forward(on, new CopyRows.To(0, 0, 8), new CopyRows.From(0, 0, 8), rows)),
                new Call("rms_norm_forward", on -> RmsNorm.forward(on, normed, norm, normRows, 0)),
                new Call("rms_norm_backward", on -> RmsNorm.backward(on, gradients, norm, 0, 0, normRows)),
                new Call("layer_norm_forward", on -> LayerNorm.forward(on, 0, saved, layer, layerRows, 0)),
                new Call(
                        "layer_norm_backward",
                        on -> LayerNorm.backward(on, layerGradients, layer, saved, 0, layerRows)),
                new Call("rope", on -> Rope.forward(on, 0, new Rope.Positions(0, 1), angles, rope)),
                new Call("rope", on -> Rope.backward(on, 0, new Rope.Positions(0, 1), angles, rope)),
                new Call("activation_forward", on -> Activation.forward(on, activation, 0, 0, rows)),
                new Call("activation_backward", on -> Activation.backward(on, activation, 0, 0, 0, rows)),
                new Call("residual_forward", on -> Residual.forward(on, 0, 0, 0, 1, DType.F32)),
                new Call("scale_rows", on -> ScaleRows.forward(on, 0, 0, 0, rows)));
    }

    private static List<Call> losses() {
        Logits logits = new Logits(0, 8, 8, DType.F32);
        TokenResults results = new TokenResults(0, 0);
        LogitsGradient gradient = LogitsGradient.inPlace(logits);
        Sequences sequences = new Sequences(0, 0);
        ColumnSum.Matrix matrix = new ColumnSum.Matrix(0, 0, 8, 8, DType.F32);
        LmHeadForward.HiddenRows hidden = new LmHeadForward.HiddenRows(0, 8, 0, 0);
        LmHeadForward.Head head = LmHeadForward.Head.contiguous(0, 8, 8, DType.BF16);
        return List.of(
                new Call("token_logprob_forward", on -> TokenLogProb.forward(on, results, logits, 0, 0)),
                new Call("token_logprob_backward", on -> TokenLogProb.backward(on, gradient, logits, 0, 0, 0, 0)),
                new Call(
                        "token_logprob_forward_backward",
                        on -> TokenLogProb.forwardBackward(
                                on, gradient, results, logits, 0, TokenLogProb.UNIT_GRADIENT, 0)),
                new Call(
                        "sample_tokens",
                        on -> SampleTokens.forward(
                                on,
                                new SampleTokens.Rows(0, 0, 1),
                                new SampleTokens.Logits(0, 0, 8, 8, TokenLogProb.Transform.NONE),
                                SampleTokens.Choice.GREEDY,
                                SampleTokens.Seen.NONE,
                                SampleTokens.Suppressed.NONE)),
                new Call("column_sum", on -> ColumnSum.forward(on, 0, matrix, ColumnSum.UNSCALED)),
                new Call("lm_head_forward", on -> LmHeadForward.forward(on, results, 0, hidden, head)),
                new Call(
                        "lm_head_exponentials",
                        on -> LmHeadExponentials.forward(
                                on, results, new LmHeadExponentials.Exponentials(0, 8, 0), 0, hidden, head)),
                new Call("sequence_sum_forward", on -> SequenceSum.forward(on, 0, 0, sequences)),
                new Call("sequence_sum_backward", on -> SequenceSum.backward(on, 0, 0, sequences)),
                new Call(
                        "preference_loss",
                        on -> PreferenceLoss.compute(
                                on,
                                new PreferenceLoss.PairResults(0, 0),
                                PreferenceLoss.PairLogProbs.withoutReference(0),
                                0,
                                PreferenceLoss.NO_WORKSPACE,
                                new PreferenceLoss.Scale(1),
                                PreferenceOptions.forLoss(LossType.SIGMOID))),
                new Call(
                        "unpaired_loss",
                        on -> UnpairedLoss.compute(
                                on,
                                new UnpairedLoss.UnpairedResults(0, 0),
                                new UnpairedLoss.UnpairedLogProbs(0, 0, 0, 0),
                                UnpairedLoss.Baseline.NONE,
                                1,
                                UnpairedLoss.Options.forLoss(UnpairedLoss.Type.KTO))));
    }

    private static List<Call> training() {
        WeightUpdate update = new WeightUpdate(
                new WeightUpdate.Parameters(0, 0, DType.F32),
                new WeightUpdate.Inputs(0, 0, 0),
                1,
                WeightUpdate.Rounding.NEAREST);
        AdamW.Moments moments = new AdamW.Moments(0, 0, DType.F32);
        AdamW8bit.Moments codes = new AdamW8bit.Moments(0, 0, 0, 0);
        RmsProp.State state = new RmsProp.State(0, 0, 0);
        Lerp.Array array = new Lerp.Array(0, DType.F32);
        UniformNoise.Matrix matrix = new UniformNoise.Matrix(0, 1, 8, 8, DType.F32);
        UniformNoise.Source source = new UniformNoise.Source(0, 0, 0, 0);
        return List.of(
                new Call("gradient_norm", on -> GradientNorm.compute(on, 0, 0, 0, 1, 0)),
                new Call("adamw", on -> AdamW.step(on, update, moments, AdamWOptions.DEFAULT)),
                new Call("adamw_8bit", on -> AdamW8bit.step(on, update, codes, AdamWOptions.DEFAULT)),
                new Call(
                        "count_step",
                        on -> CountStep.compute(
                                on, new CountStep.Step(0, 0, 0), CountStep.Sums.NONE, CountStep.Corrections.NONE)),
                new Call("sgd", on -> Sgd.step(on, update, 0, 0, new Sgd.Options(0, 0, 0, false))),
                new Call("rmsprop", on -> RmsProp.step(on, update, state, new RmsProp.Options(0.99, 1e-8, 0, 0))),
                new Call("lion", on -> Lion.step(on, update, 0, new Lion.Options(0.9, 0.99, 0))),
                new Call("lerp", on -> Lerp.compute(on, array, array, 0, 1, 0.5f)),
                new Call("uniform_noise", on -> UniformNoise.add(on, matrix, source)),
                new Call(
                        "quantize_4bit",
                        on -> Quantize4bit.forward(on, new Quantize4bit.Results(0, 0), 0, 1, QuantType.NF4, DType.F32)),
                new Call(
                        "dequantize_4bit",
                        on -> Dequantize4bit.forward(
                                on,
                                new Dequantize4bit.Matrix(0, 1, 0, 8, 8, DType.F32),
                                new Dequantize4bit.Codes(
                                        0, new Dequantize4bit.Absmax(0), 8, QuantType.NF4, DType.F32))));
    }

    @ParameterizedTest
    @MethodSource("calls")
    void javaAndCHaveTheSameOffsets(Call call) {
        try (Device device = Devices.cpu(1)) {
            call.run.accept(device);
        } catch (Dpo4jException refused) {
            assertThat(refused).hasMessageStartingWith(call.operation);
        }
        assertThat(StructWriter.lastStruct()).isEqualTo(call.struct());
        assertThat(StructWriter.lastLayout()).isEqualTo(layout(call.struct()));
    }

    @Test
    void everyParamsStructIsCompared() {
        List<String> params =
                lines(null).filter(name -> name.endsWith("_params")).toList();
        assertThat(params)
                .doesNotHaveDuplicates()
                .hasSameElementsAs(
                        new TreeSet<>(calls().stream().map(Call::struct).toList()));
    }

    @Test
    void everyCallRefusesNoParams() throws ReflectiveOperationException {
        try (Device device = Devices.cpu(1)) {
            int calls = 0;
            for (Method method : Native.class.getMethods()) {
                List<Class<?>> types = List.of(method.getParameterTypes());
                if (method.getReturnType() == int.class && types.equals(List.of(long.class, long.class))) {
                    String operation = method.getName().replaceFirst("dpo4j_", "");
                    assertThat(method.invoke(null, device.context(), 0L))
                            .as(operation)
                            .isEqualTo(1);
                    assertThat(Native.dpo4j_error_text(device.context()))
                            .isEqualTo(operation + ": params is null, must be a struct in host memory");
                    calls++;
                }
            }
            assertThat(calls).isGreaterThanOrEqualTo(calls().size());
        }
    }

    @Test
    void libraryRefusesAStructThatItDoesNotHave() {
        byte[] text = new byte[TEXT_BYTES];
        assertThat(Native.dpo4j_struct_layout("dpo4j_attention", text, text.length))
                .isNotZero();
        assertThat(Status.text(text)).isEqualTo("dpo4j.h declares no such struct: give null for the names of all");
    }

    /**
     * The layout in the format of {@link StructWriter#lastLayout}: the fields of a nested struct follow with their
     * names and offsets.
     */
    private static List<String> layout(String struct) {
        List<String> fields = new ArrayList<>();
        lines(struct).forEach(line -> {
            String[] words = line.split(" ", 4);
            if (words.length == 4 && words[3].matches("dpo4j_\\w+")) {
                layout(words[3]).stream()
                        .filter(field -> !field.startsWith("size "))
                        .map(field -> within(words[0], Integer.parseInt(words[1]), field))
                        .forEach(fields::add);
            } else {
                fields.add(words.length == 4 ? words[0] + ' ' + words[1] + ' ' + words[2] : line);
            }
        });
        return fields;
    }

    private static String within(String parent, int offset, String field) {
        String[] words = field.split(" ");
        return parent + '.' + words[0] + ' ' + (offset + Integer.parseInt(words[1])) + ' ' + words[2];
    }

    private static Stream<String> lines(@Nullable String struct) {
        NativeLibrary.load();
        byte[] text = new byte[TEXT_BYTES];
        assertThat(Native.dpo4j_struct_layout(struct, text, text.length)).isZero();
        return Status.text(text).lines();
    }
}
