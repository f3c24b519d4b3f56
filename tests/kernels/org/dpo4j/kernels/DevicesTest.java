package org.dpo4j.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.ResourceLock;
import org.junit.jupiter.api.parallel.Resources;

/** Opens devices by name, and checks the messages for those that cannot be opened. */
@ResourceLock(Resources.SYSTEM_PROPERTIES)
class DevicesTest {
    private static final String ISA = "dpo4j.cpu.isa";

    @Test
    void opensTheCpu() {
        List<String> notices = new ArrayList<>();
        try (Device device = Devices.open("cpu", notices::add)) {
            assertThat(device.name()).isEqualTo("cpu");
        }
        assertThat(notices).isEmpty();
    }

    @Test
    void anUnknownNameIsRefused() {
        assertThatThrownBy(() -> Devices.open("gpu"))
                .isInstanceOf(Dpo4jException.class)
                .hasMessage("device gpu is unknown: use auto, cuda or cpu");
    }

    @Test
    void badThreadCountsAreRefused() {
        assertThatThrownBy(() -> Devices.cpu(-1))
                .isInstanceOf(Dpo4jException.class)
                .hasMessageContaining("threads is -1");
        assertThatThrownBy(() -> Devices.cpu(1_000_000)).isInstanceOf(Dpo4jException.class);
    }

    @Test
    void autoSaysWhyItIsNotCuda() {
        DeviceReport.Cuda cuda = Devices.report().cuda();
        List<String> notices = new ArrayList<>();
        try (Device device = Devices.open("auto", notices::add)) {
            assertThat(device.name()).isEqualTo(cuda.usable() ? "cuda" : "cpu");
        }
        if (cuda.usable()) {
            assertThat(notices).isEmpty();
        } else {
            assertThat(notices).hasSize(1);
            assertThat(notices.get(0)).contains("cpu").endsWith(String.valueOf(cuda.reason()));
        }
    }

    /**
     * The error must not become a notice of {@code auto}: the run would then be on the cpu, which the user did not ask
     * for.
     */
    @Test
    void autoRefusesAMisspeltKernel() {
        String before = System.setProperty("dpo4j.without", "attention");
        try {
            assertThatThrownBy(() -> Devices.open("auto", notice -> {}).close())
                    .isInstanceOf(Dpo4jException.class)
                    .hasMessageStartingWith(
                            "DPO4J_WITHOUT (or -Ddpo4j.without) is 'attention': 'attention' is no kernel");
            Devices.open("cpu", notice -> {}).close(); // the cpu has no kernels to turn off
        } finally {
            if (before == null) {
                System.clearProperty("dpo4j.without");
            } else {
                System.setProperty("dpo4j.without", before);
            }
        }
    }

    @Test
    void withoutCudaTheReasonIsGiven() {
        DeviceReport.Cuda cuda = Devices.report().cuda();
        assumeTrue(!cuda.usable(), "cuda can be used here");
        assertThat(cuda.reason()).isNotBlank();
        String message = "cuda cannot be used: " + cuda.reason();
        assertThatThrownBy(() -> Devices.open("cuda"))
                .isInstanceOf(Dpo4jException.class)
                .hasMessage(message);
        assertThatThrownBy(() -> Devices.cuda(0))
                .isInstanceOf(Dpo4jException.class)
                .hasMessage(message);
    }

    @Test
    void anInstructionSetCanBeForced() {
        for (String name : Devices.report().cpu().instructionSets()) {
            withInstructionSet(name, () -> {
                try (Device device = Devices.cpu(1)) {
                    assertThat(device.description()).endsWith("1 thread, " + name);
                }
            });
        }
    }

    @Test
    void anUnknownInstructionSetIsRefused() {
        withInstructionSet("mmx", () -> {
            assertThatThrownBy(() -> Devices.cpu(1))
                    .isInstanceOf(Dpo4jException.class)
                    .hasMessageContaining("dpo4j.cpu.isa=mmx")
                    .hasMessageContaining("portable");
            DeviceReport.Cpu cpu = Devices.report().cpu();
            assertThat(cpu.usable()).isFalse();
            assertThat(cpu.reason()).contains("mmx");
        });
    }

    private static void withInstructionSet(String name, Runnable test) {
        System.setProperty(ISA, name);
        try {
            test.run();
        } finally {
            System.clearProperty(ISA);
        }
    }
}
