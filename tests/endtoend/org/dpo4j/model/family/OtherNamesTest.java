package org.dpo4j.model.family;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dpo4j.model.RefusalAssertions.assertRefused;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.function.UnaryOperator;
import org.dpo4j.io.SafeTensors;
import org.dpo4j.io.SafeTensorsHeader;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Devices;
import org.dpo4j.model.Model;
import org.dpo4j.model.TestFiles;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Files that hold a tensor under another name, in another shape, or beside tensors that are computed. */
class OtherNamesTest {
    @TempDir
    private Path directory;

    private Device device;

    @BeforeEach
    void openDevice() {
        device = Devices.cpu(1);
    }

    @AfterEach
    void closeDevice() {
        device.close();
    }

    /** As published files of GPT-2 and Pythia: names of transformers' modules, masks and rotary frequencies. */
    @Test
    void theSavedModelHasTheUsualNames() throws IOException {
        List<String> neox = List.of(
                "gpt_neox.layers.0.attention.bias",
                "gpt_neox.layers.1.attention.masked_bias",
                "gpt_neox.layers.1.attention.rotary_emb.inv_freq");
        write("gpt-neox", name -> name.equals("embed_out.weight") ? "lm_head.weight" : name, neox);
        assertThat(saved()).isEqualTo(original("gpt-neox"));
        write(
                "gpt2",
                name -> name.substring("transformer.".length()),
                List.of("h.0.attn.bias", "h.1.attn.masked_bias"));
        assertThat(saved()).isEqualTo(original("gpt2"));
        write("gpt2", name -> name, List.of("transformer.h.0.attn.bias", "transformer.h.0.attn.masked_bias"));
        assertThat(saved()).isEqualTo(original("gpt2"));
    }

    @Test
    void twoNamesOfOneTensorAreRefused() throws IOException {
        write("gpt-neox", name -> name, List.of("lm_head.weight"));
        assertRefused(this::saved, "embed_out.weight", "lm_head.weight", "two names of one tensor");
        write("gpt2", name -> name, List.of("wte.weight"));
        assertRefused(this::saved, "transformer.wte.weight", "wte.weight", "two names of one tensor");
    }

    @Test
    void otherTensorsAreNamedAsInTheFile() throws IOException {
        write(
                "gpt2",
                name -> name.substring("transformer.".length()),
                List.of("h.0.attn.other", "h.2.attn.c_attn.bias"));
        assertRefused(
                this::saved, ": config.json and the weights disagree: ", "h.0.attn.other is not part of the model");
        write("gpt2", name -> name.replace("h.0.mlp.c_fc.weight", "other.weight"), List.of());
        assertRefused(
                this::saved, "transformer.h.0.mlp.c_fc.weight is missing", "other.weight is not part of the model");
        write("gpt2", name -> "module." + name, List.of());
        assertRefused(this::saved, "begin with \"module.\"");
    }

    /** c_fc and mlp.c_proj exchanged: each has the shape of the other's transpose. */
    @Test
    void aShapeIsThatOfTheFile() throws IOException {
        String up = "transformer.h.0.mlp.c_fc.weight";
        String down = "transformer.h.0.mlp.c_proj.weight";
        write("gpt2", name -> name.equals(up) ? down : name.equals(down) ? up : name, List.of());
        assertRefused(this::saved, up + " has the shape [17, 21] instead of [21, 17]");
    }

    private Map<String, List<Float>> saved() {
        try (Model model = Model.load(directory, device, DType.F32)) {
            model.save(directory.resolve("saved"), DType.F32);
        }
        return tensors(directory.resolve("saved/model.safetensors"));
    }

    private static Map<String, List<Float>> original(String family) {
        return tensors(TestFiles.golden("families").resolve(family).resolve("model.safetensors"));
    }

    private static Map<String, List<Float>> tensors(Path file) {
        Map<String, List<Float>> tensors = new TreeMap<>();
        TestFiles.floatTensors(file).forEach((name, values) -> {
            List<Float> list = new ArrayList<>();
            for (float value : values) {
                list.add(value);
            }
            tensors.put(name, list);
        });
        return tensors;
    }

    /** Writes a model with its tensors renamed, and with further tensors of one element, without dimensions. */
    private void write(String family, UnaryOperator<String> rename, List<String> others) throws IOException {
        Path source = TestFiles.golden("families").resolve(family);
        Files.write(directory.resolve("config.json"), Files.readAllBytes(source.resolve("config.json")));
        try (SafeTensors file = SafeTensors.open(source.resolve("model.safetensors"))) {
            Map<String, SafeTensorsHeader.Entry> entries = new TreeMap<>();
            List<SafeTensors.Plan> plans = new ArrayList<>();
            file.entries().forEach((name, entry) -> {
                entries.put(rename.apply(name), entry);
                plans.add(new SafeTensors.Plan(rename.apply(name), entry.dtype(), entry.shape()));
            });
            others.forEach(name -> plans.add(new SafeTensors.Plan(name, "F32", List.of())));
            SafeTensors.write(
                    directory.resolve("model.safetensors"),
                    plans,
                    ByteBuffer.allocateDirect(1 << 20),
                    (plan, offset, destination) -> {
                        if (others.contains(plan.name())) {
                            destination.position(destination.limit());
                        } else {
                            file.read(Objects.requireNonNull(entries.get(plan.name())), offset, destination);
                        }
                    });
        }
    }
}
