package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachDType;
import org.dpo4j.conformance.OnEachDevice;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.io.JsonFile;
import org.dpo4j.model.LoraConfig;
import org.dpo4j.model.LoraTargets;
import org.dpo4j.model.Model;
import org.dpo4j.model.ParameterTensor;
import org.dpo4j.model.TestFiles;
import org.dpo4j.model.family.Families;
import org.dpo4j.model.family.Llama;
import org.dpo4j.model.family.ModelConfig;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Runs whose backward computes activations again have the bits of runs that keep them. */
class GradientCheckpointingTest {
    /** Every step has all of them, so the third step launches graphs, if the device has them. */
    private static final List<PreferencePair> PAIRS = TinyRun.pairs(4);

    /** The activations of the last layer are still there in backward, and those of two layers are computed again. */
    private static final ModelConfig LLAMA = Llama.config(37, 16, 24, 3, 2, 1, 64, true);

    private static ModelConfig family(String name) {
        Path file = TestFiles.golden("families").resolve(name).resolve("config.json");
        ObjectNode json = JsonFile.read(file);
        return Families.read(json.put("num_hidden_layers", 3), file.toString());
    }

    private static DpoOptions.Builder options() {
        return TinyRun.options()
                .neftuneNoiseAlpha(20)
                .perDeviceTrainBatchSize(4)
                .maxSteps(3);
    }

    /** Metrics of all steps, then the trained weights by name. */
    private static Map<String, Object> run(Model model, DpoOptions options) {
        TinyRun run = TinyRun.dpo(model, PAIRS, List.of(), options);
        Map<String, Object> results = new LinkedHashMap<>();
        List<String> names = new ArrayList<>(TinyRun.METRICS);
        names.add("grad_norm");
        for (int step = 0; step < run.history().size(); step++) {
            for (String name : names) {
                results.put(name + " of step " + (step + 1), run.value(step, name));
            }
        }
        for (ParameterTensor tensor : model.trained().tensors()) {
            results.put(tensor.name(), model.trained().readWeights(tensor));
        }
        return results;
    }

    private static void assertSameBits(On on, ModelConfig config, @Nullable LoraConfig lora) {
        List<Map<String, Object>> results = new ArrayList<>();
        for (boolean isRecomputed : new boolean[] {false, true}) {
            try (Model model = Model.create(config, on.device(), on.dtype(), 3)) {
                if (lora != null) {
                    model.addAdapter(lora, null, 5);
                }
                results.add(
                        run(model, options().gradientCheckpointing(isRecomputed).build()));
            }
        }
        assertThat(results.get(1)).usingRecursiveComparison().isEqualTo(results.get(0));
    }

    @OnEachDType
    void theBitsAreThoseOfARunThatKeepsActivations(On on) {
        assertSameBits(on, LLAMA, null);
    }

    /** Branches in parallel, norms before and after branches, norms after branches. Above: norms before branches. */
    @OnEachDevice
    void alsoWithOtherPlacesOfNorms(On on) {
        Stream.of("gpt-neox", "gemma2", "olmo2").forEach(name -> assertSameBits(on, family(name), null));
    }

    /** Layers differ in their adapters: the second has larger ones than the first, and only the third has one at down. */
    @OnEachDType
    void alsoWithAdapters(On on) {
        LoraTargets some = new LoraTargets.Matching(".*layers\\.(0\\..*q_proj|1\\..*(q|k|up|o)_proj|2\\..*down_proj)");
        assertSameBits(on, LLAMA, new LoraConfig(4, 8, some, false, Map.of(".*layers\\.1\\..*", 24), Map.of()));
    }

    /** Changes no bit, so a run may go on from a checkpoint of the other kind. The header says which kind it is. */
    @Test
    void aResumedRunMayChangeIt(@TempDir Path directory) throws IOException {
        TinyRun.writeModelAndPairs(directory, LLAMA, 6);
        Recorder kept = new Recorder();
        DpoTrainer.train(
                files(directory, "kept").saveStrategy(SaveStrategy.STEPS).build(), kept);
        assertThat(kept.headers.get(0).facts())
                .containsEntry("activations", "kept until backward (gradient_checkpointing false)");
        Recorder recomputed = new Recorder();
        DpoTrainer.train(
                files(directory, "recomputed")
                        .resumeFromCheckpoint(
                                directory.resolve("kept/checkpoint-2").toString())
                        .gradientCheckpointing(true)
                        .build(),
                recomputed);
        assertThat(recomputed.headers.get(0).facts().get("activations")).contains("computed again in backward");
        assertThat(Files.readAllBytes(directory.resolve("recomputed/model.safetensors")))
                .isEqualTo(Files.readAllBytes(directory.resolve("kept/model.safetensors")));
    }

    private static DpoOptions.Builder files(Path directory, String output) {
        return TinyRun.options(directory, output).maxSteps(4).saveSteps(2).saveStrategy(SaveStrategy.NO);
    }
}
