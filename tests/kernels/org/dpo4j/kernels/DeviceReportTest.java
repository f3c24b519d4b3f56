package org.dpo4j.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

class DeviceReportTest {
    private final DeviceReport report = Devices.report();

    @Test
    void describesJavaAndTheLibrary() {
        assertThat(report.java()).startsWith(System.getProperty("java.version"));
        assertThat(report.system()).contains(System.getProperty("os.arch"));
        assertThat(report.version()).isNotBlank();
        assertThat(report.build()).contains("version=", "compiler=", "cuda=", "emulated=");
    }

    /**
     * Versions of bindings are those in the names of the jars on the class path, and oneDNN's is that of the jar that
     * contains it.
     */
    @Test
    void namesTheVersionsOfBindings() {
        assertThat(report.versions()).containsEntry("JavaCPP", jar("javacpp-([\\d.]+)\\.jar"));
        assertThat(report.versions()).containsEntry("CUDA preset", jar("cuda-([\\d.-]+)\\.jar"));
        String oneDnn = jar("dnnl-([\\d.]+)-[\\d.]+-linux-x86_64\\.jar");
        assertThat(report.versions().get("oneDNN")).startsWith(oneDnn + ".");
    }

    /** The stand-ins report 13010 for the runtime and 131000 for cuBLASLt. */
    @Test
    void namesTheVersionsOfNvidiasLibraries() {
        assumeTrue(String.valueOf(report.build()).contains("emulated=1"), "needs the stand-ins for NVIDIA's libraries");
        assertThat(report.versions()).containsEntry("CUDA runtime", "13.1").containsEntry("cuBLASLt", "13.10.0");
    }

    private static String jar(String name) {
        Matcher matcher = Pattern.compile("/" + name).matcher(System.getProperty("java.class.path"));
        assertThat(matcher.find()).as(name).isTrue();
        return matcher.group(1);
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
