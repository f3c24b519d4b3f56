package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dpo4j.model.RefusalAssertions.assertRefused;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.dpo4j.conformance.TestDevices;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Devices;
import org.dpo4j.kernels.decoder.QuantType;
import org.dpo4j.model.FourBit;
import org.dpo4j.model.LoadProgress;
import org.dpo4j.model.Model;
import org.dpo4j.model.ParameterTensor;
import org.dpo4j.model.TestFiles;
import org.dpo4j.model.family.Llama;
import org.dpo4j.model.family.ModelConfig;
import org.dpo4j.report.Metrics;
import org.junit.jupiter.api.Test;

/** Runs that train LoRA adapters on a base model in 4 bits, from files to files. */
class FourBitRunTest extends AdapterFixture {
    private static final ModelConfig EIGHT_BILLION = Llama.config(128_256, 4096, 14_336, 32, 32, 8, 131_072, false);

    private DpoOptions.Builder fourBit(String output) {
        return lora(output).loadIn4bit(true).useBnbNestedQuant(true);
    }

    /** Writes a model of floats that are the values of the 4-bit weights. */
    private Path decoded(Path from, FourBit fourBit) {
        Path to = directory.resolve("decoded");
        try (Device device = Devices.cpu(1);
                Model dense = Model.load(directory.resolve("model"), device, DType.F32);
                Model model = Model.load(from, device, DType.F32, fourBit, LoadProgress.NONE)) {
            assertThat(model.parameters().fourBitTensors()).hasSize(2 * 7);
            for (ParameterTensor tensor : model.parameters().fourBitTensors()) {
                float[] values = model.parameters().readWeights(tensor);
                ParameterTensor same = dense.parameters().tensor(tensor.name());
                assertThat(values).isNotEqualTo(dense.parameters().readWeights(same));
                dense.parameters().writeWeights(same, values);
            }
            dense.save(to, DType.F32);
        }
        return to;
    }

    /** The decoded values are the weights, so every bit is that of a run whose base model has these values as floats. */
    @Test
    void theResultHasTheBitsOfLoraOnTheDecodedWeights() throws IOException {
        byte[] before = bytes("model/model.safetensors");
        List<Metrics> history = train(fourBit("four"));
        Path decoded = decoded(directory.resolve("model"), new FourBit(QuantType.NF4, true));
        List<Metrics> expected = train(lora("dense").modelNameOrPath(decoded));
        assertThat(history.get(0).values()).containsEntry("loss", (double) (float) Math.log(2));
        assertSameMetrics(history, expected);
        Map<String, float[]> trained = TestFiles.floatTensors(directory.resolve("four/adapter_model.safetensors"));
        assertThat(trained)
                .usingRecursiveComparison()
                .isEqualTo(TestFiles.floatTensors(directory.resolve("dense/adapter_model.safetensors")));
        train(fourBit("recomputed").gradientCheckpointing(true).precomputeRefLogProbs(false));
        assertThat(adapter("recomputed")).isEqualTo(adapter("four"));
        train(fourBit("fp4").bnb4bitQuantType(FourBitType.FP4));
        assertThat(adapter("fp4")).isNotEqualTo(adapter("four"));
        train(fourBit("plain").useBnbNestedQuant(false));
        assertThat(adapter("plain")).isNotEqualTo(adapter("four"));
        assertThat(bytes("model/model.safetensors")).isEqualTo(before);
    }

    @Test
    void aCheckpointGoesOnWithTheSameBits() throws IOException {
        train(fourBit("never"));
        train(fourBit("all").saveStrategy(SaveStrategy.STEPS).saveSteps(2));
        String checkpoint = directory.resolve("all/checkpoint-2").toString();
        train(fourBit("from").resumeFromCheckpoint(checkpoint));
        assertThat(adapter("from")).isEqualTo(adapter("never"));
        assertRefused(
                () -> train(fourBit("other").useBnbNestedQuant(false).resumeFromCheckpoint(checkpoint)),
                "use_bnb_nested_quant");
        assertRefused(() -> train(lora("dense").resumeFromCheckpoint(checkpoint)), "load_in_4bit");
    }

    /** On a device of its own. Loading needs less than training. */
    @Test
    void thePlanIsThePeak() {
        DpoOptions options = fourBit("unread").build();
        LoraOptions lora = options.train().lora();
        try (Device device = Devices.open(TestDevices.option());
                Model model = Model.load(
                        directory.resolve("model"), device, DType.F32, lora.fourBit(DType.F32), LoadProgress.NONE)) {
            model.addAdapter(Objects.requireNonNull(lora.config()), null, 1);
            Objective objective = new PreferenceObjective(model, TinyRun.pairs(8), List.of(), options, 1 << 20);
            Steps steps = TinyRun.steps(objective.rows(), options.train());
            MemoryPlan plan = MemoryPlan.of(
                    objective, steps, ReferencePlanner.plan(objective, steps, options.train()), options.train());
            TinyRun.run(model, options.train(), objective);
            assertThat(device.peakAllocatedBytes()).as("%s", plan).isEqualTo(plan.bytes());
        }
    }

    @Test
    void anAdapterIsTrainedOn() throws IOException {
        train(fourBit("first"));
        List<Metrics> history = train(onDevice("second")
                .modelNameOrPath(directory.resolve("first"))
                .loadIn4bit(true)
                .useBnbNestedQuant(true)
                .maxSteps(2));
        assertThat(history.get(0).values()).containsEntry("loss", (double) (float) Math.log(2));
        assertThat(adapter("second")).isNotEqualTo(adapter("first"));
    }

    @Test
    void whatFourBitsCannotDoIsRefused() {
        assertRefused(() -> train(TinyRun.options(directory, "a").device("cpu").loadIn4bit(true)), "4-bit", "use_peft");
        assertRefused(() -> lora("b").bnb4bitQuantType(FourBitType.FP4).build(), "fp4 but load_in_4bit is false");
        assertRefused(() -> lora("c").useBnbNestedQuant(true).build(), "use_bnb_nested_quant", "load_in_4bit is false");
        assertRefused(
                () -> train(fourBit("d").bnb4bitComputeDtype(Precision.BFLOAT16)),
                "bnb_4bit_compute_dtype is bfloat16, but dtype is float32");
    }

    /** Llama-3.1-8B with an adapter of rank 16 of all linear layers, and a pair of 4 Ki tokens, which every device computes in one pass. */
    @Test
    void aModelOf8BFitsInto16Gb() {
        DpoOptions options = TinyRun.options()
                .dtype(Precision.BFLOAT16)
                .usePeft(true)
                .loraR(16)
                .loraTargetModules("all-linear")
                .loadIn4bit(true)
                .useBnbNestedQuant(true)
                .gradientCheckpointing(true)
                .maxSteps(1)
                .build();
        List<PreferencePair> pairs = List.of(new PreferencePair(1, new int[2048], new int[1024], new int[1024]));
        try (Device device = Devices.cpu(1)) {
            MemoryPlan plan = DpoSteps.memory(EIGHT_BILLION, device, DType.BF16, pairs, options, true);
            plan.check(16_000_000_000L);
            // By hand: 6.98e9 codes of 4.13 bits, 1.05e9 weights of bf16 (embeddings, head, norms), a matrix of 28672 x
            // 4096
            assertThat(plan.toString()).contains("frozen weights, most in 4 bits 5.9 GB");
            assertThat(plan.bytes() / 1e9).as("%s", plan).isBetween(8.0, 10.0);
            Model model = Model.planned(EIGHT_BILLION, device, DType.BF16, new FourBit(QuantType.NF4, true));
            assertThat(model.parameters().fourBitFact())
                    .isEqualTo("6,979,321,856 weights in 4.13 bits each; one matrix at a time is decoded, to 234.9 MB"
                            + " of bfloat16");
        }
    }
}
