package org.dpo4j.kernels.internal;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CudaProbeTest {
    /** NVIDIA's rules: binaries run upwards within a major version, "a" nowhere else, PTX on anything newer. */
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
        assertThat(CudaProbe.runs("sm_80,sm_90a,sm_100,sm_120", capability)).isEqualTo(runs);
    }

    @ParameterizedTest
    @CsvSource({"90, true", "80, false", "100, false", "120, false"})
    void hopperBuildRunsOn(int capability, boolean runs) {
        assertThat(CudaProbe.runs("sm_90a", capability)).isEqualTo(runs);
    }

    @ParameterizedTest
    @CsvSource({"52", "90"})
    void emulationRunsOnAnything(int capability) {
        assertThat(CudaProbe.runs("emulated", capability)).isTrue();
    }
}
