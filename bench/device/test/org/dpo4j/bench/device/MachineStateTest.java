package org.dpo4j.bench.device;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Runs MachineState with a script that prints the output of nvidia-smi. */
class MachineStateTest {

    @TempDir
    Path folder;

    private Map<String, String> environment(int gpus, String visible) throws IOException {
        Path program = Files.writeString(folder.resolve("nvidia-smi"), """
                #!/bin/sh
                if [ "$1" = --list-gpus ]; then
                  for gpu in $(seq %d); do echo "GPU $gpu: NVIDIA H100"; done
                else
                  echo "1755, 612.5, $2"; exec sleep 100
                fi
                """.formatted(gpus));
        assertThat(program.toFile().setExecutable(true)).isTrue();
        String path = folder + ":" + System.getenv("PATH");
        return Map.of("PATH", path, "CUDA_VISIBLE_DEVICES", visible);
    }

    @Test
    void reportsWhatNvidiaSmiPrints() throws Exception {
        ObjectNode row = new ObjectMapper().createObjectNode();
        try (MachineState state = MachineState.watch(environment(2, "1"))) {
            assertThat(state.source()).isEqualTo("nvidia-smi");
            for (int i = 0; i < 1000 && !row.has("sm_mhz"); i++) {
                Thread.sleep(10);
                state.look();
                state.report(row);
            }
        }
        assertThat(row.path("sm_mhz").asDouble()).isEqualTo(1755);
        assertThat(row.path("watts").asDouble()).isEqualTo(612.5);
        assertThat(row.path("round_sm_mhz")).hasSize(1);
        assertThat(row.path("round_watts").path(0).asDouble()).isEqualTo(612.5);
        assertThat(row.path("celsius").asDouble())
                .as("the index that was asked for")
                .isEqualTo(1);
    }

    @Test
    void saysWhyNothingIsRead() throws IOException {
        assertThat(MachineState.watch(Map.of("PATH", "/no/folder")).source()).isEqualTo("nvidia-smi is not on PATH");
        assertThat(MachineState.watch(environment(2, "")).source())
                .isEqualTo("nvidia-smi lists 2 GPUs, and CUDA_VISIBLE_DEVICES is no index of one");
    }
}
