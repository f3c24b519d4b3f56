package org.dpo4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import org.dpo4j.conformance.StandIn.Event;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.DeviceBuffer;
import org.dpo4j.kernels.Devices;
import org.dpo4j.kernels.MatmulShape;

/**
 * Counts how often cuBLASLt is asked for an algorithm. Only the emulated device counts, in its stand-in for cuBLASLt.
 */
class MatmulAlgorithmTest {
    private static final int WIDTH = 64;
    private static final int DEPTH = 32;

    private static void forward(Device device, DeviceBuffer memory, long rows) {
        long at = memory.address();
        device.matmul(
                at,
                at + (1 << 20),
                at + (2 << 20),
                MatmulShape.contiguous(rows, WIDTH, DEPTH, DType.F32, DType.BF16)
                        .transposedB(),
                false);
    }

    private static void weightGradient(Device device, DeviceBuffer memory, long rows) {
        long at = memory.address();
        device.matmul(
                at,
                at + (1 << 20),
                at + (2 << 20),
                MatmulShape.contiguous(WIDTH, DEPTH, rows, DType.F32, DType.BF16)
                        .transposedA(),
                true);
    }

    @OnEachDevice
    void isChosenOnceForAllBatchSizes(On on) {
        if (!on.name().equals("emulated")) {
            return;
        }
        try (Device device = Devices.cuda(0);
                DeviceBuffer memory = device.allocate(3 << 20)) {
            device.fill(memory.address(), 0, memory.bytes());
            assertThat(heuristics(() -> forward(device, memory, 100))).isEqualTo(1);
            assertThat(heuristics(() -> {
                        for (int rows = 1; rows < 300; rows += 7) {
                            forward(device, memory, rows);
                        }
                    }))
                    .isZero();
            // for a weight's gradient, one per number of rows rounded up to a power of two: 64, 128, 256
            assertThat(heuristics(() -> {
                        for (int rows = 33; rows <= 256; rows++) {
                            weightGradient(device, memory, rows);
                        }
                    }))
                    .isEqualTo(3);
        }
    }

    /** For few rows another algorithm is chosen, once for all numbers of rows, also for 64 rows that are not "few". */
    @OnEachDevice
    void isChosenOnceForFewRows(On on) {
        if (!on.name().equals("emulated")) {
            return;
        }
        try (Device device = Devices.cuda(0);
                DeviceBuffer memory = device.allocate(3 << 20)) {
            device.fill(memory.address(), 0, memory.bytes());
            Runnable few = () -> {
                for (int rows : new int[] {1, 64, 2, 300}) {
                    device.withFewRows(() -> forward(device, memory, rows));
                }
            };
            assertThat(heuristics(() -> forward(device, memory, 100))).isEqualTo(1);
            assertThat(heuristics(few)).isEqualTo(1);
            assertThat(heuristics(few)).isZero();
            assertThat(heuristics(() -> {
                        forward(device, memory, 64);
                        forward(device, memory, 1);
                    }))
                    .isZero();
        }
    }

    /** cuBLASLt 13.10 knows an attribute for it, and older versions refuse the attribute. A weight's gradient sums over rows. */
    @OnEachDevice
    void rowsAreToldToBeIndependentOfEachOther(On on) {
        if (!on.name().equals("emulated")) {
            return;
        }
        assertThat(invariants()).isEqualTo(2);
        StandIn.setCublasLtVersion(130_100);
        try {
            assertThat(invariants()).isZero();
        } finally {
            StandIn.setCublasLtVersion(131_000);
        }
    }

    private static long invariants() {
        try (Device device = Devices.cuda(0);
                DeviceBuffer memory = device.allocate(3 << 20)) {
            device.fill(memory.address(), 0, memory.bytes());
            return StandIn.count(Event.INVARIANTS, () -> {
                forward(device, memory, 100);
                device.withFewRows(() -> forward(device, memory, 100));
                weightGradient(device, memory, 100);
            });
        }
    }

    @OnEachDevice
    void sumsInAFixedOrderAndAllocatesOnlyForTheFirstProducts(On on) {
        if (!on.name().equals("emulated")) {
            return;
        }
        try (Device device = Devices.cuda(0);
                DeviceBuffer memory = device.allocate(3 << 20)) {
            device.fill(memory.address(), 0, memory.bytes());
            Runnable products = () -> {
                for (int rows = 40; rows < 80; rows++) {
                    forward(device, memory, rows);
                    weightGradient(device, memory, rows);
                }
            };
            assertThat(StandIn.count(Event.UNORDERED_SUMS, products)).isZero();
            assertThat(StandIn.count(Event.ALLOCATIONS, products)).isZero();
            assertThat(StandIn.count(Event.WAITS, products)).isZero();
        }
    }

    private static long heuristics(Runnable work) {
        return StandIn.count(Event.HEURISTICS, work);
    }
}
