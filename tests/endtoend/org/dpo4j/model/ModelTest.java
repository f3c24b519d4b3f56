package org.dpo4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.dpo4j.model.RefusalAssertions.assertRefused;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.lang.management.BufferPoolMXBean;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachDevice;
import org.dpo4j.io.JsonFile;
import org.dpo4j.io.SafeTensors;
import org.dpo4j.kernels.DType;
import org.dpo4j.model.family.Llama;
import org.dpo4j.model.family.ModelConfig;
import org.junit.jupiter.api.io.TempDir;

/** Model directories: weights and config survive a save, and tensors that do not fit are named. */
class ModelTest {
    private static final ModelConfig TIED = Llama.config(20, 16, 24, 2, 2, 1, 32, true);
    private static final ModelConfig UNTIED = Llama.config(20, 16, 24, 2, 2, 1, 32, false);

    @TempDir
    Path directory;

    private void save(On on, ModelConfig config, DType dtype) {
        try (Model model = Model.create(config, on.device(), DType.F32, 5)) {
            model.save(directory, dtype);
        }
    }

    @OnEachDevice
    void aSavedModelLoadsWithTheSameBits(On on) throws IOException {
        for (ModelConfig config : List.of(TIED, UNTIED)) {
            try (Model made = Model.create(config, on.device(), DType.F32, 5)) {
                made.save(directory.resolve("a"), DType.F32);
                try (Model loaded = Model.load(directory.resolve("a"), on.device(), DType.F32)) {
                    assertThat(loaded.config())
                            .usingRecursiveComparison()
                            .ignoringFields("json") // the saved one has a torch_dtype
                            .isEqualTo(config);
                    assertThat(TestWeights.byName(loaded)).isEqualTo(TestWeights.byName(made));
                    loaded.save(directory.resolve("b"), DType.F32);
                }
            }
            for (String file : List.of("model.safetensors", "config.json")) {
                assertThat(directory.resolve("b").resolve(file))
                        .hasSameBinaryContentAs(directory.resolve("a").resolve(file));
            }
        }
    }

    /**
     * bf16 keeps 8 bits of a number: rounding changes it by at most a relative 2^-8, and rounding again does not change
     * it.
     */
    @OnEachDevice
    void savedInBf16(On on) {
        try (Model made = Model.create(TIED, on.device(), DType.F32, 5)) {
            made.save(directory, DType.BF16);
            try (Model loaded = Model.load(directory, on.device(), DType.F32)) {
                Map<String, List<Float>> rounded = TestWeights.byName(loaded);
                TestWeights.byName(made).forEach((name, exact) -> {
                    for (int i = 0; i < exact.size(); i++) {
                        assertThat(rounded.getOrDefault(name, List.of()).get(i))
                                .isCloseTo(exact.get(i), within(Math.abs(exact.get(i)) / 256));
                    }
                });
                loaded.save(directory, DType.BF16);
                try (Model again = Model.load(directory, on.device(), DType.F32)) {
                    assertThat(TestWeights.byName(again)).isEqualTo(rounded);
                }
            }
        }
        assertThat(TestFiles.json(directory.resolve("config.json"))
                        .get("torch_dtype")
                        .asText())
                .isEqualTo("bfloat16");
    }

    /**
     * The garbage collector frees direct buffers, but does not see their size. A save uses one buffer for the file and two
     * for the conversion, 8 MiB each; a load and a check use two each: 56 MiB for any number of tensors. The JDK writes the
     * small files through at most 64 KiB.
     */
    @OnEachDevice
    void hostMemoryDoesNotGrowWithTheNumberOfTensors(On on) {
        try (Model made = Model.create(Llama.config(20, 16, 24, 12, 2, 1, 32, true), on.device(), DType.F32, 5)) {
            long before = directBytes();
            made.save(directory, DType.F32);
            try (Model loaded = Model.load(directory, on.device(), DType.F32)) {
                assertThat(WeightCheck.firstNotFinite(loaded.parameters())).isNull();
            }
            assertThat(directBytes() - before).isLessThanOrEqualTo((7 * 8L << 20) + (64 << 10));
        }
    }

    private static long directBytes() {
        return ManagementFactory.getPlatformMXBeans(BufferPoolMXBean.class).stream()
                .filter(pool -> pool.getName().equals("direct"))
                .mapToLong(BufferPoolMXBean::getTotalCapacity)
                .sum();
    }

    @OnEachDevice
    void everyKeyOfTheConfigSurvives(On on) throws IOException {
        save(on, TIED, DType.F32);
        edit(
                "config.json",
                json -> json.put("my_key", 1e-6)
                        .put("dtype", "bfloat16")
                        .put("torch_dtype", "bfloat16")
                        .putNull("nothing"));
        Files.writeString(directory.resolve("generation_config.json"), "{\"eos_token_id\": [4, 5], \"top_k\": 7}");
        Path copy = directory.resolve("copy");
        try (Model model = Model.load(directory, on.device(), DType.F32)) {
            assertThat(model.config().eosTokenIds()).containsExactly(4, 5);
            model.save(copy, DType.F32);
        }
        ObjectNode expected = (ObjectNode) TestFiles.json(directory.resolve("config.json"));
        assertThat(TestFiles.json(copy.resolve("config.json")))
                .isEqualTo(expected.put("dtype", "float32").put("torch_dtype", "float32"));
        assertThat(TestFiles.json(copy.resolve("generation_config.json"))
                        .get("top_k")
                        .intValue())
                .isEqualTo(7);
    }

    /**
     * Mean and standard deviation of 20000 normal numbers: 0 and 0.02, within four of their own standard deviations,
     * 0.02 / sqrt(n) and 0.02 / sqrt(2n).
     */
    @OnEachDevice
    void aNewModelIsInitializedLikeTransformers(On on) {
        ModelConfig config = Llama.config(400, 48, 24, 1, 2, 1, 32, true);
        try (Model first = Model.create(config, on.device(), DType.F32, 9);
                Model same = Model.create(config, on.device(), DType.F32, 9);
                Model other = Model.create(config, on.device(), DType.F32, 10)) {
            float[] values = first.parameters().readWeights(first.parameters().tensor("model.embed_tokens.weight"));
            double sum = 0;
            double squares = 0;
            for (float value : values) {
                sum += value;
                squares += value * value;
            }
            int n = values.length;
            assertThat(sum / n).isCloseTo(0, within(4 * 0.02 / Math.sqrt(n)));
            assertThat(Math.sqrt(squares / n)).isCloseTo(0.02, within(4 * 0.02 / Math.sqrt(2 * n)));
            assertThat(TestWeights.byName(first).get("model.norm.weight")).containsOnly(1f);
            assertThat(TestWeights.byName(same)).isEqualTo(TestWeights.byName(first));
            assertThat(TestWeights.byName(other)).isNotEqualTo(TestWeights.byName(first));
        }
    }

    @OnEachDevice
    void aCopyDoesNotChangeWithItsModel(On on) {
        try (Model model = Model.create(TIED, on.device(), DType.F32, 5);
                Model copy = model.copy()) {
            Map<String, List<Float>> before = TestWeights.byName(copy);
            assertThat(before).isEqualTo(TestWeights.byName(model));
            ParameterTensor norm = model.parameters().tensor("model.norm.weight");
            model.parameters().writeWeights(norm, new float[(int) norm.count()]);
            assertThat(TestWeights.byName(copy)).isEqualTo(before);
        }
    }

    /** The gradient norm and AdamW read the padding between tensors, too. */
    @OnEachDevice
    void paddingIsZero(On on) {
        try (Model model = Model.create(UNTIED, on.device(), DType.F32, 5)) {
            Parameters parameters = model.parameters();
            double padding = 0;
            for (float value : on.device().downloadFloats(parameters.weights(), (int) parameters.count())) {
                padding += value;
            }
            for (ParameterTensor tensor : parameters.tensors()) {
                for (float value : parameters.readWeights(tensor)) {
                    padding -= value;
                }
            }
            // one sum of some 3000 doubles in two orders
            assertThat(padding).isCloseTo(0, within(1e-9));
        }
    }

    @OnEachDevice
    void shardsAreReadAndCheckedAgainstTheirIndex(On on) throws IOException {
        Map<String, List<Float>> whole;
        try (Model made = Model.create(UNTIED, on.device(), DType.F32, 5)) {
            made.save(directory, DType.F32);
            whole = TestWeights.byName(made);
            shard(made, directory);
        }
        Files.delete(directory.resolve("model.safetensors"));
        assertThat(load(on, directory)).isEqualTo(whole);
        mapHeadTo("../elsewhere.safetensors");
        refused(on, "../elsewhere.safetensors");
        mapHeadTo("shard-0.safetensors");
        refused(on, "lm_head.weight in shard-0.safetensors");
        Files.delete(directory.resolve("shard-1.safetensors"));
        refused(on, "shard-1.safetensors does not exist");
    }

    private void mapHeadTo(String shard) {
        edit("model.safetensors.index.json", json -> {
            json.withObject("/weight_map").put("lm_head.weight", shard);
            return json;
        });
    }

    @OnEachDevice
    void aMissingHeadMayBeTheEmbedding(On on) throws IOException {
        save(on, TIED, DType.F32);
        edit("config.json", json -> json.put("tie_word_embeddings", false));
        refused(
                on,
                "lm_head.weight is missing; if the embedding is the LM head too, set tie_word_embeddings to true; check"
                        + " that both belong to one model");
    }

    @OnEachDevice
    void tensorsAndFilesThatDoNotFitAreNamed(On on) throws IOException {
        save(on, UNTIED, DType.F32);
        edit("config.json", json -> json.put("num_hidden_layers", 3).put("intermediate_size", 32));
        refused(on, "the files have 2 layers, config.json says 3: model.layers");
        refused(on, "model.layers.2.mlp.down_proj.weight is missing");
        refused(on, "model.layers.0.mlp.up_proj.weight has the shape [24, 16] instead of [32, 16]");
        edit("config.json", json -> json.put("num_hidden_layers", 1).put("intermediate_size", 24));
        refused(on, "the files have 2 layers, config.json says 1: model.layers");
        refused(on, "model.layers.1.input_layernorm.weight is not part of the model");
        edit("config.json", json -> json.put("num_hidden_layers", 2).put("tie_word_embeddings", true));
        refused(on, "differ although config.json ties them");
        Files.delete(directory.resolve("config.json"));
        refused(on, "config.json does not exist");
        assertThat(on.device().allocatedBytes())
                .as("bytes kept by refused loads")
                .isZero();
    }

    @OnEachDevice
    void aTiedModelMayStoreTheHeadIfItEqualsTheEmbedding(On on) {
        try (Model made = Model.create(UNTIED, on.device(), DType.F32, 5)) {
            ParameterTensor head = made.parameters().tensor("lm_head.weight");
            made.parameters()
                    .writeWeights(
                            head,
                            made.parameters().readWeights(made.parameters().tensor("model.embed_tokens.weight")));
            made.save(directory, DType.F32);
        }
        edit("config.json", json -> json.put("tie_word_embeddings", true));
        assertThat(load(on, directory)).doesNotContainKey("lm_head.weight").containsKey("model.embed_tokens.weight");
    }

    private void refused(On on, String word) {
        assertRefused(() -> Model.load(directory, on.device(), DType.F32).close(), directory.toString(), word);
    }

    private static Map<String, List<Float>> load(On on, Path directory) {
        try (Model model = Model.load(directory, on.device(), DType.F32)) {
            return TestWeights.byName(model);
        }
    }

    /** Writes every other tensor to one file and the rest to another, and the index of both. */
    private static void shard(Model model, Path directory) {
        List<ParameterTensor> tensors = model.parameters().tensors().stream()
                .sorted(Comparator.comparing(ParameterTensor::name))
                .toList();
        ObjectNode index = JsonFile.object();
        for (int shard = 0; shard < 2; shard++) {
            String file = "shard-" + shard + ".safetensors";
            List<SafeTensors.Plan> plans = new ArrayList<>();
            for (int i = 1 - shard; i < tensors.size(); i += 2) {
                ParameterTensor tensor = tensors.get(i);
                plans.add(new SafeTensors.Plan(tensor.name(), "F32", tensor.shape()));
                index.withObject("/weight_map").put(tensor.name(), file);
            }
            ByteBuffer chunk = ByteBuffer.allocateDirect(1 << 20);
            SafeTensors.write(directory.resolve(file), plans, chunk, (plan, offset, destination) -> {
                Parameters parameters = model.parameters();
                long first = parameters.tensor(plan.name()).placement().first();
                model.device().download(destination, parameters.weights() + 4 * first + offset);
            });
        }
        JsonFile.write(directory.resolve("model.safetensors.index.json"), index);
    }

    private void edit(String file, UnaryOperator<ObjectNode> change) {
        Path path = directory.resolve(file);
        JsonFile.write(path, change.apply(JsonFile.read(path)));
    }
}
