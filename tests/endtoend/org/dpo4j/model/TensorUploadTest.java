package org.dpo4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.dpo4j.model.RefusalAssertions.assertRefused;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachDevice;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.family.Llama;
import org.junit.jupiter.api.io.TempDir;

/** Loads on several threads. */
class TensorUploadTest {
    @TempDir
    Path directory;

    private static Model create(On on, int vocabulary) {
        return Model.create(Llama.config(vocabulary, 42, 24, 2, 3, 1, 32, true), on.device(), DType.F32, 5);
    }

    /** The embedding has 4.2 million elements, which two threads share. */
    @OnEachDevice
    void allBytesAreReportedOnTheCallersThread(On on) {
        try (Model made = create(on, 100_001)) {
            made.save(directory, SaveFormat.in(DType.BF16));
            List<Long> done = new ArrayList<>();
            List<Long> totals = new ArrayList<>();
            Thread caller = Thread.currentThread();
            LoadProgress progress = (bytes, total) -> {
                assertThat(Thread.currentThread()).isSameAs(caller);
                done.add(bytes);
                totals.add(total);
            };
            try (Model loaded = Model.load(directory, on.device(), DType.F32, progress)) {
                long bytes = 2 * loaded.parameters().parameterCount();
                assertThat(totals).containsOnly(bytes);
                assertThat(done).isSorted().endsWith(bytes);
                float[] expected = on.device().downloadFloats(made.parameters().weights(), (int)
                        made.parameters().count());
                float[] actual = on.device().downloadFloats(loaded.parameters().weights(), (int)
                        loaded.parameters().count());
                for (int i = 0; i < expected.length; i++) {
                    if (actual[i] != roundToBfloat16(expected[i])) {
                        assertThat(actual[i]).as("weight %d", i).isEqualTo(roundToBfloat16(expected[i]));
                    }
                }
            }
        }
        assertThat(on.device().allocatedBytes()).isZero();
    }

    /** To nearest, ties to even, of finite numbers. */
    private static float roundToBfloat16(float value) {
        int bits = Float.floatToRawIntBits(value);
        return Float.intBitsToFloat((bits + 0x7fff + (bits >>> 16 & 1)) & 0xffff0000);
    }

    @OnEachDevice
    void anErrorEndsTheLoadAndFreesMemory(On on) {
        try (Model made = create(on, 20)) {
            made.save(directory, DType.F32);
        }
        LoadProgress stopping = (done, total) -> {
            throw new Dpo4jException("stopped");
        };
        assertRefused(
                () -> Model.load(directory, on.device(), DType.F32, stopping).close(), "stopped");
        assertThat(on.device().allocatedBytes()).isZero();
    }

    @OnEachDevice
    void anInterruptEndsTheLoad(On on) {
        try (Model made = create(on, 20)) {
            made.save(directory, DType.F32);
        }
        Thread.currentThread().interrupt();
        try {
            assertThatThrownBy(
                            () -> Model.load(directory, on.device(), DType.F32).close())
                    .isInstanceOf(CancellationException.class)
                    .hasMessageContaining("model.safetensors");
        } finally {
            assertThat(Thread.interrupted()).isTrue();
        }
        assertThat(on.device().allocatedBytes()).isZero();
    }
}
