package org.dpo4j.conformance;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.dpo4j.kernels.decoder.Segment;
import org.junit.jupiter.api.condition.EnabledIfEnvironmentVariable;

/**
 * Segments on which a block of attention's backward kernel for Hopper would wait for ever. The host cannot see them, since they lie on the device: the
 * kernel executes a trap, which ends the emulated process and the context of a GPU. So each test is started alone, with DPO4J_TRAPS=1, by a script that
 * expects the trap.
 */
@EnabledIfEnvironmentVariable(named = "DPO4J_TRAPS", matches = "1")
class AttentionTrapsTest {
    private static void backward(On on, Consumer<List<Segment>> breakIt) {
        AttentionCall shape = new AttentionCall(2, 1, 64);
        List<Segment> segments = new ArrayList<>();
        Segment prompt = Segment.plain(0, 140, 2);
        segments.add(prompt);
        segments.add(Segment.withPrefix(prompt, 140, 130));
        segments.add(Segment.withPrefix(prompt, 270, 20));
        try (Tensors tensors = new Tensors(on)) {
            AttentionCall.Backward whole =
                    shape.backward(tensors, on, List.copyOf(segments), AttentionCall.Inputs.random(shape, 290, 1));
            breakIt.accept(segments);
            whole.withSegments(segments, tensors.input("segments", Segment.pack(segments)))
                    .run(on.device());
            on.device().synchronize();
        }
    }

    @OnEachCudaDevice
    void aDependentThatIsNotListed(On on) {
        backward(on, segments -> segments.set(0, Segment.plain(0, 140, 1)));
    }

    @OnEachCudaDevice
    void aPrefixThatNoSegmentOwns(On on) {
        backward(on, segments -> segments.remove(0));
    }

    @OnEachCudaDevice
    void aPrefixLongerThanItsSegment(On on) {
        backward(on, segments -> segments.set(1, new Segment(140, 130, 140, 0, 0, 268, 0)));
    }

    @OnEachCudaDevice
    void aDependentBeyondTheLastSegment(On on) {
        backward(on, segments -> segments.set(0, Segment.plain(0, 140, 3)));
    }
}
