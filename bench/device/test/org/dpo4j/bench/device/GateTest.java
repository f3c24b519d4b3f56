package org.dpo4j.bench.device;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Set;
import org.dpo4j.bench.device.Benchmark.Prepared;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Devices;
import org.junit.jupiter.api.Test;

/** Gates and repeats of benchmarks, on the device that {@code dpo4j.test.devices} names: the cpu or the emulated kernels. */
class GateTest {
    private static final String DEVICE =
            System.getProperty("dpo4j.test.devices", "cpu").equals("emulated") ? "cuda" : "cpu";

    /** Benchmarks of lm_head_forward and lm_head_exponentials, which cpu has not. */
    private static final Set<String> CUDA_ONLY = Set.of(
            "lm_head_forward",
            "lm_head_path",
            "lm_head_forward_backward",
            "lm_head_exponentials",
            "lm_head_exponentials_forward_backward",
            "lm_head_exponentials_statistics",
            "lm_head_exponentials_frozen");

    /** Calls {@code test} with every benchmark at every tiny shape that the device stores. */
    private static void eachPrepared(PreparedTest test) throws Exception {
        Numbers numbers = new Numbers(Scale.TINY);
        for (Benchmark benchmark : Benchmarks.ALL) {
            for (Shape shape : benchmark.shapes().tiny()) {
                try (Device device = Devices.open(DEVICE);
                        Fixture fixture = new Fixture(device, shape, numbers, 1)) {
                    boolean isMissing = DEVICE.equals("cpu") && CUDA_ONLY.contains(benchmark.name());
                    if (device.supports(shape.dtype()) && !isMissing) {
                        Prepared prepared = benchmark.preparation().prepare(fixture);
                        test.run(benchmark.name() + " " + shape, fixture, prepared);
                        prepared.close().close();
                    }
                }
            }
        }
    }

    private interface PreparedTest {
        void run(String name, Fixture fixture, Prepared prepared);
    }

    /** Before the call, results are wrong. A gate that accepts them checks nothing. */
    @Test
    void everyGateRefusesResultsThatWereNotComputed() throws Exception {
        eachPrepared((name, fixture, prepared) -> assertThatThrownBy(
                        () -> prepared.check().run(new Gate(name)))
                .as(name)
                .isInstanceOf(Gate.Failed.class)
                .hasMessageContaining(", must be "));
    }

    /** Repeats restore the tensors that a call writes and no others. Results start at 0, and are right afterwards. */
    @Test
    void repeatsLeaveInputsAsTheyWere() throws Exception {
        eachPrepared((name, fixture, prepared) -> {
            for (Operand tensor : fixture.cleared()) {
                assertThat(tensor.read(0, (int) tensor.count()))
                        .as(name)
                        .containsExactly(new double[(int) tensor.count()]);
            }
            if (prepared.isRepeatable()) {
                Gate gate = new Gate(name);
                assertThat(Repeats.run(fixture.device(), fixture, prepared.call(), gate, 0))
                        .isEqualTo(3);
                prepared.check().run(gate);
            }
        });
    }

    @Test
    void aCallThatGivesOtherBitsIsDetected() {
        try (Device device = Devices.open(DEVICE);
                Fixture fixture = new Fixture(device, Shape.of("count 5000"), new Numbers(Scale.TINY), 1)) {
            Operand result = fixture.zeros(DType.F32, 5000);
            int[] calls = {0};
            Benchmark.Call drifting =
                    turn -> device.fill(result.at(turn) + result.bytes() - 4, ++calls[0] < 3 ? 1 : 2, 4);
            assertThatThrownBy(() -> Repeats.run(device, fixture, drifting, new Gate("drifting"), 0))
                    .isInstanceOf(Gate.Failed.class)
                    .hasMessageContaining("drifting: repeat 3 left other bits");
        }
    }
}
