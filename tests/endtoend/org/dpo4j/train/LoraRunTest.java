package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.dpo4j.model.RefusalAssertions.assertRefused;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.dpo4j.conformance.TestDevices;
import org.dpo4j.io.ByteSize;
import org.dpo4j.io.JsonFile;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Devices;
import org.dpo4j.model.LoraConfig;
import org.dpo4j.model.Model;
import org.dpo4j.model.SaveFormat;
import org.dpo4j.model.TestFiles;
import org.dpo4j.report.Metrics;
import org.dpo4j.report.RunListener;
import org.junit.jupiter.api.Test;

/** Runs that train LoRA adapters, from files to files. */
class LoraRunTest extends AdapterFixture {
    private static final boolean IS_CPU = TestDevices.isCpu();

    private DpoOptions.Builder options(String output) {
        return lora(output).loraAlpha(8).gradientAccumulationSteps(2).maxSteps(6);
    }

    private static ModelOptions modelOptions(Path model) {
        ModelOptions options = new ModelOptions();
        options.modelNameOrPath = model;
        return options;
    }

    private static OutputOptions outputOptions(Path output) {
        OutputOptions options = new OutputOptions();
        options.outputDir = output;
        return options;
    }

    /** With an average of the weights and, on cuda, bf16 with master weights. */
    @Test
    void everyCheckpointGoesOnWithTheSameBits() throws IOException {
        train(variant("never"));
        train(variant("all").saveStrategy(SaveStrategy.STEPS).saveSteps(1));
        for (int step : IS_CPU ? new int[] {1, 2, 3, 4, 5} : new int[] {3}) {
            Path checkpoint = directory.resolve("all/checkpoint-" + step);
            assertThat(checkpoint.resolve("adapter_model.safetensors")).exists();
            assertThat(checkpoint.resolve("model.safetensors")).doesNotExist();
            String output = "from-" + step;
            train(variant(output).resumeFromCheckpoint(checkpoint.toString()));
            for (String file : List.of("adapter_model.safetensors", "ema/adapter_model.safetensors")) {
                assertThat(bytes(output + "/" + file)).as(output).isEqualTo(bytes("never/" + file));
            }
        }
    }

    private DpoOptions.Builder variant(String output) {
        return options(output)
                .dtype(IS_CPU ? Precision.FLOAT32 : Precision.BFLOAT16)
                .useEma(true);
    }

    /** Options that are left out are their defaults, and others are named as one. */
    @Test
    void aResumedRunMayStateDefaultsAndNotChangeTheAdapter() {
        DpoOptions.Builder first = onDevice("out")
                .usePeft(true)
                .maxSteps(2)
                .saveStrategy(SaveStrategy.STEPS)
                .saveSteps(1);
        train(first);
        String checkpoint = directory.resolve("out/checkpoint-1").toString();
        train(first.outputDir(directory.resolve("again"))
                .loraR(16)
                .loraAlpha(32)
                .useRslora(false)
                .resumeFromCheckpoint(checkpoint));
        assertRefused(
                () -> train(first.outputDir(directory.resolve("other")).loraR(8)),
                "lora is r 8, lora_alpha 32",
                "but was r 16, lora_alpha 32");
    }

    /** The reference is the model without the adapter, and B is 0 at first. */
    @Test
    void theFirstLossIsLn2AndTheBaseModelStays() throws IOException {
        byte[] before = bytes("model/model.safetensors");
        List<Metrics> history = train(options("out"));
        assertThat(history.get(0).values()).containsEntry("loss", (double) (float) Math.log(2));
        assertThat(history.get(5).values().get("rewards/margins")).isNotZero();
        assertThat(bytes("model/model.safetensors")).isEqualTo(before);
        ObjectNode config = JsonFile.read(directory.resolve("out/adapter_config.json"));
        assertThat(config.get("base_model_name_or_path").asText())
                .isEqualTo(directory.resolve("model").toString());
        assertThat(config.get("r").asInt()).isEqualTo(4);
        assertThat(directory.resolve("out/config.json")).doesNotExist();
    }

    @Test
    void aReferenceOfEveryStepHasTheBitsOfOneBefore() throws IOException {
        List<Metrics> online = train(options("online").precomputeRefLogProbs(false));
        assertSameMetrics(online, train(options("before")));
        assertThat(adapter("online")).isEqualTo(adapter("before"));
    }

    /** As in TRL, the reference of a run that begins with an adapter is the model with that adapter. */
    @Test
    void anAdapterIsTrainedOn() throws IOException {
        train(options("first"));
        DpoOptions.Builder more =
                onDevice("second").modelNameOrPath(directory.resolve("first")).maxSteps(3);
        List<Metrics> history = train(more);
        assertThat(history.get(0).values()).containsEntry("loss", (double) (float) Math.log(2));
        assertThat(adapter("second")).isNotEqualTo(adapter("first"));
        assertThat(JsonFile.read(directory.resolve("second/adapter_config.json")))
                .isEqualTo(JsonFile.read(directory.resolve("first/adapter_config.json")));
        train(more.outputDir(directory.resolve("online")).precomputeRefLogProbs(false));
        assertThat(adapter("online")).isEqualTo(adapter("second"));
        assertRefused(() -> train(more.usePeft(true).outputDir(directory.resolve("third"))), "is an adapter already");
    }

    /** A weight changes by at most |scale B A|, rounded once: an ulp of the sum, and 4 + 1 roundings of the product. */
    @Test
    void aMergedModelIsTheBaseModelPlusTheProduct() throws IOException {
        train(options("out"));
        ModelOptions model = modelOptions(directory.resolve("out"));
        OutputOptions output = outputOptions(directory.resolve("merged"));
        try (Device device = Devices.open(TestDevices.option())) {
            AdapterMerge.run(model, output, device, metrics -> {});
        }
        Map<String, float[]> base = TestFiles.floatTensors(directory.resolve("model/model.safetensors"));
        Map<String, float[]> merged = TestFiles.floatTensors(directory.resolve("merged/model.safetensors"));
        Map<String, float[]> adapter = TestFiles.floatTensors(directory.resolve("out/adapter_model.safetensors"));
        assertThat(merged.keySet()).isEqualTo(base.keySet());
        base.forEach((name, weights) -> {
            float[] found = Objects.requireNonNull(merged.get(name));
            String module = "base_model.model." + name.replaceAll("\\.weight$", "");
            float[] a = adapter.get(module + ".lora_A.weight");
            float[] b = adapter.get(module + ".lora_B.weight");
            if (a == null || b == null) {
                assertThat(found).as(name).isEqualTo(weights);
                return;
            }
            int in = a.length / 4;
            for (int i = 0; i < weights.length; i++) {
                double sum = 0;
                double size = 0;
                for (int k = 0; k < 4; k++) {
                    double term = 2.0 * b[i / in * 4 + k] * a[k * in + i % in];
                    sum += term;
                    size += Math.abs(term);
                }
                double tolerance = (5 * size + Math.abs(weights[i] + sum)) * 0x1p-24;
                assertThat((double) found[i]).as("%s %d", name, i).isCloseTo(weights[i] + sum, within(tolerance));
            }
        });
        try (Device device = Devices.cpu(1);
                Model loaded = Model.load(directory.resolve("merged"), device, DType.F32)) {
            assertThat(loaded.adapter()).isNull();
        }
        assertRefused(() -> AdapterMerge.check(model, output), "holds a model already");
        assertRefused(() -> AdapterMerge.check(modelOptions(directory.resolve("model")), output), "is no adapter");
        assertRefused(
                () -> AdapterMerge.check(modelOptions(directory.resolve("absent")), output), "absent does not exist");
    }

    /** An adapter in place of its base model would be of no use, and the base model lost. */
    @Test
    void theBaseModelIsNeverReplaced() throws IOException {
        byte[] before = bytes("model/model.safetensors");
        assertRefused(
                () -> train(options("model").overwriteOutputDir(true)),
                "output_dir " + directory.resolve("model") + " is the base model of the adapter",
                "choose another directory");
        train(options("out"));
        DpoOptions.Builder more = TinyRun.options(directory, "model")
                .modelNameOrPath(directory.resolve("out"))
                .overwriteOutputDir(true);
        assertRefused(() -> train(more), "is the base model of the adapter");
        ModelOptions model = modelOptions(directory.resolve("out"));
        OutputOptions output = outputOptions(directory.resolve("model"));
        output.overwriteOutputDir = true;
        assertRefused(() -> AdapterMerge.check(model, output), "is the base model of the adapter");
        assertThat(bytes("model/model.safetensors")).isEqualTo(before);
        assertThat(directory.resolve("model/adapter_model.safetensors")).doesNotExist();
    }

    /** PEFT loads the base model in the revision that the config names. */
    @Test
    void aBaseModelByNameKeepsItsRevision() {
        ModelOptions named = modelOptions(Path.of("org/model"));
        named.modelRevision = "v2";
        try (Device device = Devices.cpu(1);
                Model model = Model.load(directory.resolve("model"), device, DType.F32)) {
            model.addAdapter(new LoraConfig(2, 4, List.of("q_proj")), named.adapterBase(), 1);
            model.save(directory.resolve("named"), DType.F32);
        }
        ObjectNode config = JsonFile.read(directory.resolve("named/adapter_config.json"));
        assertThat(config.get("base_model_name_or_path").asText()).isEqualTo("org/model");
        assertThat(config.get("revision").asText()).isEqualTo("v2");
        ModelOptions path = modelOptions(directory.resolve("model"));
        path.modelRevision = "main";
        assertThat(path.adapterBase().revision()).isNull();
    }

    /** An error names the directory of the user and how much space is needed, and leaves no directory that was not there. */
    @Test
    void aModelThatDoesNotFitLeavesNoDirectory() {
        Path output = directory.resolve("new");
        try (Device device = Devices.cpu(1);
                Model model = Model.load(directory.resolve("model"), device, DType.F32)) {
            String bytes = ByteSize.text(model.savedBytes(SaveFormat.in(DType.F32)).stream()
                    .mapToLong(Long::longValue)
                    .sum());
            assertRefused(
                    () -> model.save(output, SaveFormat.in(DType.F32), writing -> {
                        throw new IOException("No space left on device");
                    }),
                    output + " cannot be written (No space left on device); the model needs " + bytes + ", and ",
                    " are free; free space, or choose another directory");
            assertThat(output).doesNotExist();
            assertRefused(
                    () -> model.save(output, SaveFormat.in(DType.F32), writing -> {
                        throw new IOException("File too large");
                    }),
                    "needs " + bytes + "; allow larger files (ulimit -f), or choose another directory");
        }
    }

    /** A model of an adapter that cannot be merged leaves no directory either. */
    @Test
    void aFailedMergeLeavesNoDirectory() throws IOException {
        train(options("out"));
        Files.createSymbolicLink(directory.resolve("out/vocab.txt"), directory.resolve("absent"));
        ModelOptions model = modelOptions(directory.resolve("out"));
        OutputOptions output = outputOptions(directory.resolve("new"));
        try (Device device = Devices.open(TestDevices.option())) {
            assertRefused(
                    () -> AdapterMerge.run(model, output, device, metrics -> {}),
                    "new cannot be written (it does not exist)");
        }
        assertThat(directory.resolve("new")).doesNotExist();
    }

    /** The end of the run would delete the merged model. */
    @Test
    void nothingIsMergedIntoTheDirectoryOfARun() throws IOException {
        train(options("out"));
        ModelOptions model = modelOptions(directory.resolve("out"));
        OutputOptions output = outputOptions(directory.resolve("busy"));
        RunListener listener = metrics -> {};
        try (Device device = Devices.open(TestDevices.option());
                OutputLock run = OutputLock.make(directory.resolve("busy"), listener)) {
            assertRefused(() -> AdapterMerge.run(model, output, device, listener), "busy is in use by another run");
            assertThat(run.directory().resolve("model.safetensors")).doesNotExist();
        }
    }

    @Test
    void whatAdaptersCannotDoIsRefused() {
        assertRefused(
                () -> options("a")
                        .syncRefModel(true)
                        .precomputeRefLogProbs(false)
                        .build(),
                "sync_ref_model");
        assertRefused(() -> train(options("b").loraTargetModules("q_proj", "c_attn")), "c_attn", "q_proj, up_proj");
        assertRefused(() -> train(options("c").loraTargetModules("lm_head")), "lm_head", "not supported");
        assertRefused(() -> train(options("d").loraTargetModules("model\\.(x|y)")), "matches no module");
        assertRefused(
                () -> train(options("f").loraRankPattern(new OptionMap(Map.of("q_prj", "2")))),
                "rank_pattern has q_prj",
                "matches no module",
                "leave it out");
        assertRefused(
                () -> train(options("g")
                        .loraTargetModules("v_proj")
                        .loraAlphaPattern(new OptionMap(Map.of("q_proj", "2")))),
                "alpha_pattern has q_proj");
        assertRefused(() -> options("e").usePeft(false).build(), "lora_r is 4 but use_peft is false");
    }
}
