package org.dpo4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.List;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.DeviceReport;
import org.dpo4j.kernels.Devices;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.decoder.Segment;
import org.dpo4j.kernels.head.LmHeadExponentials;
import org.dpo4j.kernels.head.LmHeadForward;
import org.dpo4j.kernels.internal.CudaSettings;
import org.dpo4j.kernels.internal.Native;
import org.dpo4j.testkit.AttentionLayout;

/** Kernels that DPO4J_WITHOUT, here as the system property dpo4j.without, turns off one by one. */
class KernelsOffTest {
    private static final String PROPERTY = "dpo4j.without";
    private static final List<String> KERNELS = List.of(
            "attention_forward_sm90a",
            "attention_backward_sm90a",
            "lm_head_forward_sm90a",
            "lm_head_exponentials_sm90a",
            "attention_decode");

    private static void withProperty(String without, Runnable work) {
        String before = System.setProperty(PROPERTY, without);
        try {
            work.run();
        } finally {
            if (before == null) {
                System.clearProperty(PROPERTY);
            } else {
                System.setProperty(PROPERTY, before);
            }
        }
    }

    private static boolean has(Device device, String kernel) {
        return Native.dpo4j_cuda_has_kernel(device.context(), kernel) == 1;
    }

    private static void assumeHopper(On on) {
        try (Device device = TestDevices.open(on, new CudaSettings("", 0))) {
            assumeTrue(has(device, KERNELS.get(0)), device.processor() + " has no kernels of its own architecture");
        }
    }

    @OnEachCudaDevice
    void eachIsTurnedOffAlone(On on) {
        assumeHopper(on);
        for (String off : KERNELS) {
            withProperty(" " + off + " ", () -> {
                try (Device device = Devices.cuda(0)) {
                    for (String kernel : KERNELS) {
                        assertThat(has(device, kernel))
                                .as("%s without %s", kernel, off)
                                .isEqualTo(!kernel.equals(off));
                    }
                    assertThat(device.description()).endsWith(", without " + off);
                }
            });
        }
    }

    /** The kernels that replace them pass the same checks. */
    @OnEachCudaDevice
    void attentionIsRightWithoutThem(On on) {
        assumeHopper(on);
        CudaSettings settings = new CudaSettings("attention_forward_sm90a,attention_backward_sm90a", 0);
        try (Device first = TestDevices.open(on, settings);
                Device second = TestDevices.open(on, settings)) {
            On without = on.with(first, second);
            List<Segment> segments = AttentionLayout.plain(70, 9);
            for (int width : new int[] {64, 128}) {
                AttentionCheck.forward(without, new AttentionCall(2, 1, width), segments, 1);
                AttentionCheck.backward(without, new AttentionCall(2, 1, width), segments, 1);
            }
        }
    }

    @OnEachCudaDevice
    void lmHeadForwardIsRefusedWithTheReason(On on) {
        assumeHopper(on);
        String why = "lm_head_forward_sm90a is turned off (DPO4J_WITHOUT)";
        try (Device without = TestDevices.open(on, new CudaSettings("lm_head_forward_sm90a", 0))) {
            assertThat(LmHeadForward.isSupported(without, DType.BF16)).isFalse();
            assertThat(LmHeadForward.lacks(without, DType.BF16)).contains(why);
            LmHeadForwardCall call = LmHeadForwardCall.random(3, 40, 16, 1);
            assertThat(call.run(on.with(without, without))).isNull(); // refused by name
        }
    }

    @OnEachCudaDevice
    void lmHeadExponentialsAreRefusedWithTheReason(On on) {
        assumeHopper(on);
        try (Device without = TestDevices.open(on, new CudaSettings("lm_head_exponentials_sm90a", 0))) {
            assertThat(LmHeadExponentials.lacks(without, DType.BF16))
                    .contains("lm_head_exponentials_sm90a is turned off (DPO4J_WITHOUT)");
            assertThat(LmHeadForward.isSupported(without, DType.BF16)).isTrue();
            LmHeadExponentialsCall call = LmHeadExponentialsCall.random(3, 40, 16, 1);
            assertThat(call.run(on.with(without, without))).isNull(); // refused by name
        }
    }

    /** A misspelt name would leave the kernel on, so no device is opened, and the error lists the known names. */
    @OnEachCudaDevice
    void anUnknownNameIsRefused(On on) {
        for (String names : List.of("attention_forward", KERNELS.get(0) + ",sm90a", KERNELS.get(0) + ",", ",")) {
            withProperty(names, () -> {
                assertThatThrownBy(() -> Devices.cuda(0))
                        .isInstanceOf(Dpo4jException.class)
                        .hasMessageContaining("DPO4J_WITHOUT")
                        .hasMessageContaining("-Ddpo4j.without")
                        .hasMessageContaining(names)
                        .hasMessageContaining(String.join(", ", KERNELS));
                DeviceReport.Cuda cuda = Devices.report().cuda();
                assertThat(cuda.usable()).isFalse();
                assertThat(cuda.reason()).contains("DPO4J_WITHOUT");
            });
        }
        assertThat(on.device().context()).isNotZero();
    }

    @OnEachCudaDevice
    void theReportListsKernelsThatAreOff(On on) {
        withProperty(KERNELS.get(2) + ", " + KERNELS.get(0), () -> {
            DeviceReport.Cuda cuda = Devices.report().cuda();
            assertThat(cuda.without()).containsExactly(KERNELS.get(2), KERNELS.get(0));
        });
        withProperty("", () -> {
            DeviceReport.Cuda cuda = Devices.report().cuda();
            assertThat(cuda.usable()).isTrue();
            assertThat(cuda.without()).isEmpty();
            if (on.name().equals("emulated")) {
                assertThat(cuda.gpus().get(0).maxCluster()).isEqualTo(8);
            }
        });
    }
}
