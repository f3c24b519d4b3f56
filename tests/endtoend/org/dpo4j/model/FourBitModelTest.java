package org.dpo4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dpo4j.model.RefusalAssertions.assertRefused;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachDevice;
import org.dpo4j.io.Sha256;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Devices;
import org.dpo4j.kernels.decoder.QuantType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Models in 4 bits, against transformers with bitsandbytes ({@code four_bit_models.py}). */
class FourBitModelTest {
    @TempDir
    Path directory;

    private static JsonNode golden(String cases) throws IOException {
        return new ObjectMapper()
                .readTree(Files.readAllBytes(TestFiles.golden("four_bit_models.json")))
                .get(cases);
    }

    /** Of the values of each 4-bit tensor, in the shape in which transformers quantises it. */
    private static Map<String, String> hashes(Parameters parameters) {
        Map<String, String> hashes = new TreeMap<>();
        for (ParameterTensor tensor : parameters.fourBitTensors()) {
            float[] values = parameters.readWeights(tensor);
            Placement placement = tensor.placement();
            int rows = placement.rowCount();
            int columns = placement.columns().size();
            ByteBuffer bytes = ByteBuffer.allocate(Float.BYTES * values.length).order(ByteOrder.LITTLE_ENDIAN);
            for (int i = 0; i < values.length; i++) {
                int at = placement.isTransposed() ? i % columns * rows + i / columns : i;
                bytes.putFloat(values[at] + 0.0f);
            }
            hashes.put(tensor.name(), HexFormat.of().formatHex(Sha256.digest().digest(bytes.array()), 0, 8));
        }
        return hashes;
    }

    private static Map<String, String> expected(JsonNode golden) {
        Map<String, String> expected = new TreeMap<>();
        golden.get("values")
                .properties()
                .forEach(each -> expected.put(each.getKey(), each.getValue().asText()));
        return expected;
    }

    @OnEachDevice
    void quantisedValuesAreThoseOfTransformers(On on) throws IOException {
        for (JsonNode golden : golden("quantised")) {
            QuantType type = QuantType.valueOf(golden.get("quant_type").asText().toUpperCase(Locale.ROOT));
            Path model = TestFiles.golden(golden.get("model").asText());
            try (Model loaded = load(model, on.device(), new FourBit(type, false))) {
                assertThat(hashes(loaded.parameters()))
                        .as("%s", golden.get("model"))
                        .isEqualTo(expected(golden));
            }
        }
    }

    @OnEachDevice
    void checkpointsOfBitsandbytesHaveTheirValues(On on) throws IOException {
        for (JsonNode golden : golden("saved")) {
            Path model = TestFiles.golden(golden.get("directory").asText());
            try (Model loaded = Model.load(model, on.device(), DType.F32)) {
                assertThat(hashes(loaded.parameters())).as("%s", model).isEqualTo(expected(golden));
            }
        }
    }

    private static Model load(Path model, Device device, FourBit fourBit) {
        return Model.load(model, device, DType.F32, fourBit, LoadProgress.NONE);
    }

    @Test
    void progressEndsOnceAndNeverGoesBack() {
        List<Long> done = new ArrayList<>();
        try (Device device = Devices.cpu(1)) {
            Model.load(
                            TestFiles.golden("llama-tiny"),
                            device,
                            DType.F32,
                            new FourBit(QuantType.NF4, true),
                            (loaded, total) -> done.add(total - loaded))
                    .close();
        }
        assertThat(done).isSortedAccordingTo(Comparator.reverseOrder()).endsWith(0L);
        assertThat(done.stream().filter(rest -> rest == 0)).hasSize(1);
    }

    /** Heads, hidden size and inner size that are no multiples of 8. */
    @OnEachDevice
    void aCopyAndPlannedSizesAreThoseOfTheModel(On on) {
        Path llama = TestFiles.golden("llama-odd");
        FourBit fourBit = new FourBit(QuantType.NF4, true);
        try (Model model = load(llama, on.device(), fourBit);
                Model copy = model.copy()) {
            assertThat(hashes(copy.parameters())).isEqualTo(hashes(model.parameters()));
            Model planned = Model.planned(model.config(), on.device(), DType.F32, fourBit);
            assertThat(planned.bytes()).isEqualTo(model.bytes());
            assertThat(planned.parameters().parameterCount())
                    .isEqualTo(model.parameters().parameterCount());
            try (Model dense = Model.load(llama, on.device(), DType.F32)) {
                assertThat(model.parameters().parameterCount())
                        .isEqualTo(dense.parameters().parameterCount());
            }
        }
        assertThat(on.device().allocatedBytes()).isZero();
    }

    @Test
    void whatFourBitsCannotDoIsRefused() throws IOException {
        Path llama = directory.resolve("llama");
        try (Device device = Devices.cpu(1)) {
            try (Model model = load(TestFiles.golden("llama-tiny"), device, new FourBit(QuantType.NF4, false))) {
                ParameterTensor tensor = model.parameters().fourBitTensors().get(0);
                float[] values = model.parameters().readWeights(tensor);
                assertRefused(() -> model.parameters().writeWeights(tensor, values), tensor.name(), "4 bits");
                assertRefused(() -> model.save(llama, DType.F32), "4 bits", "use_peft");
                model.addAdapter(new LoraConfig(2, 4, List.of("q_proj")), null, 1);
                assertRefused(model::mergeAdapter, "4 bits", "base_model_name_or_path");
            }
            try (Model model = Model.load(TestFiles.golden("llama-tiny"), device, DType.F32)) {
                ParameterTensor tensor = model.parameters().tensor("model.layers.1.mlp.down_proj.weight");
                float[] values = model.parameters().readWeights(tensor);
                values[70] = Float.NaN;
                model.parameters().writeWeights(tensor, values);
                model.save(llama, DType.F32);
            }
            assertRefused(
                    () -> load(llama, device, new FourBit(QuantType.FP4, true)),
                    "model.layers.1.mlp.down_proj.weight",
                    "elements 64 to 127");
            assertThat(device.allocatedBytes()).isZero();
        }
    }
}
