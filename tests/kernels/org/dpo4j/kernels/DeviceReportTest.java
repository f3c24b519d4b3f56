package org.dpo4j.kernels;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class DeviceReportTest {
    private final DeviceReport report = DeviceReport.probe();

    @Test
    void describesJavaAndTheLibrary() {
        assertThat(report.java()).startsWith(System.getProperty("java.version"));
        assertThat(report.system()).contains(System.getProperty("os.arch"));
        assertThat(report.version()).isNotBlank();
        assertThat(report.build()).contains("version=", "compiler=", "cuda=", "emulated=");
    }

    @Test
    void describesTheProcessor() {
        DeviceReport.Cpu cpu = report.cpu();
        assertThat(cpu.usable()).isTrue();
        assertThat(cpu.reason()).isNull();
        assertThat(cpu.model()).isNotBlank();
        assertThat(cpu.cores()).isEqualTo(Runtime.getRuntime().availableProcessors());
        assertThat(cpu.instructionSets()).startsWith("portable").contains(cpu.instructionSet());
        assertThat(cpu.matmul()).contains("libdnnl.so.3");
    }

    @Test
    void cudaIsUsableOrSaysWhyNot() {
        DeviceReport.Cuda cuda = report.cuda();
        assertThat(cuda.usable()).isEqualTo(cuda.reason() == null);
        assertThat(cuda.driverNeeded()).isEqualTo("580");
        if (cuda.usable()) {
            assertThat(cuda.gpus()).anyMatch(gpu -> gpu.reason() == null && gpu.memoryBytes() > 0);
        }
    }
}
