package org.dpo4j.kernels.internal;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.dpo4j.kernels.DeviceReport.Cuda;
import org.dpo4j.kernels.DeviceReport.Gpu;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CudaProbeTest {
    /**
     * NVIDIA's rules: a binary runs on the same and later minor versions of its major version, a binary with "a" only
     * on its own version, and PTX on every newer device.
     */
    @ParameterizedTest
    @CsvSource({
        "80, true",
        "86, true",
        "89, true",
        "90, true",
        "100, true",
        "103, true",
        "120, true",
        "121, true",
        "130, true",
        "70, false",
        "75, false",
        "110, false"
    })
    void releaseBuildRunsOn(int capability, boolean runs) {
        assertThat(CudaProbe.hasCodeFor("sm_80,sm_90a,sm_100,sm_120", capability))
                .isEqualTo(runs);
    }

    @ParameterizedTest
    @CsvSource({"90, true", "80, false", "100, false", "120, false"})
    void hopperBuildRunsOn(int capability, boolean runs) {
        assertThat(CudaProbe.hasCodeFor("sm_90a", capability)).isEqualTo(runs);
    }

    @ParameterizedTest
    @CsvSource({"52", "90"})
    void emulationRunsOnAnything(int capability) {
        assertThat(CudaProbe.hasCodeFor("emulated", capability)).isTrue();
    }

    /**
     * A GPU that the driver lists but on which no context can be created, for example because another process uses it
     * exclusively. Here its index does not exist.
     */
    @Test
    void aGpuWithoutAContextCannotBeUsed() {
        NativeLibrary.load();
        Gpu absent = new Gpu(99, "absent", "9.0", 1, null, null);
        Cuda cuda = CudaProbe.withDeviceFacts(
                new Cuda(true, null, "580", "580", List.of(absent), List.of(), List.of(), List.of()));
        assertThat(cuda.usable()).isFalse();
        assertThat(cuda.reason())
                .startsWith("it does not answer: ")
                .isEqualTo(cuda.gpus().get(0).reason());
        assertThat(cuda.gpus().get(0).maxCluster()).isNull();
    }
}
