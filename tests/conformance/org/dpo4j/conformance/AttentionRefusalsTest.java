package org.dpo4j.conformance;

import static org.junit.jupiter.api.Assumptions.assumeFalse;

import java.util.ArrayList;
import java.util.List;
import org.dpo4j.kernels.decoder.Attention;
import org.dpo4j.kernels.decoder.Segment;
import org.dpo4j.testkit.AttentionLayout;
import org.dpo4j.testkit.AttentionLayout.Family;
import org.junit.jupiter.api.Tag;

class AttentionRefusalsTest {
    private static final AttentionCall SHAPE = new AttentionCall(4, 2, 8).withStrides(8);
    private static final List<Segment> SEGMENTS = AttentionLayout.shared(new Family(3, 2, 1));

    private static Refusals common(Refusals refusals, On on, AttentionCall.Operands operands) {
        return refusals.address("q", operands.q())
                .address("k", operands.k())
                .address("v", operands.v())
                .indices("segments", operands.packed())
                .size("segment_count", SEGMENTS.size(), -1)
                .size("max_queries", 3, -1)
                .size("heads", SHAPE.heads(), 0, -4, 3)
                .size("kv_heads", SHAPE.kvHeads(), 0, -2)
                .size("head_width", SHAPE.headWidth(), 0, -8, 12, 264)
                .size("out_stride", SHAPE.outStride(), 0, 24, SHAPE.outStride() + 1)
                .size("q_stride", SHAPE.qStride(), 0, 24, SHAPE.qStride() + 1)
                .size("kv_stride", SHAPE.kvStride(), 0, 8, SHAPE.kvStride() + 1)
                .number("scale", SHAPE.scale(), Float.NaN, Float.POSITIVE_INFINITY)
                .number("soft_cap", 2, Float.NaN, Float.POSITIVE_INFINITY, -1, 1e-31f)
                .size("window", 2, -1, Integer.MIN_VALUE)
                .dtype("dtype", on);
    }

    private static Attention.Inputs inputs(Refusals.Arguments a) {
        return new Attention.Inputs(a.get("q"), a.get("k"), a.get("v"));
    }

    private static Attention.Segments segments(Refusals.Arguments a, String rows) {
        boolean isForward = rows.equals("key_rows");
        return new Attention.Segments(
                a.get("segments"),
                a.get("segment_count"),
                a.get("max_queries"),
                a.get(rows),
                isForward ? a.get("max_keys") : 0);
    }

    private static Attention.Shape shape(Refusals.Arguments a) {
        return new Attention.Shape(
                a.get("heads"),
                a.get("kv_heads"),
                a.get("head_width"),
                new Attention.Strides(a.get("out_stride"), a.get("q_stride"), a.get("kv_stride")),
                new Attention.Scores(a.number("scale"), a.number("soft_cap"), (int) a.get("window")),
                a.dtype("dtype"));
    }

    @OnEachDType
    @Tag("small")
    void forwardRefusesBadArguments(On on) {
        AttentionCall.Inputs inputs = AttentionCall.Inputs.random(SHAPE, 6, 1);
        try (Tensors tensors = new Tensors(on)) {
            AttentionCall.Forward call = SHAPE.forward(tensors, on, SEGMENTS, inputs);
            common(new Refusals(tensors, "attention_forward"), on, call.operands())
                    .address("out", call.out())
                    .address("lse", call.lse())
                    .address("workspace", call.workspace())
                    .size("key_rows", 6, -1)
                    .size("max_keys", 0, -1, 1L << 31)
                    .check((device, a) -> Attention.forward(
                            device,
                            new Attention.Saved(a.get("out"), a.get("lse")),
                            inputs(a),
                            segments(a, "key_rows"),
                            a.get("workspace"),
                            shape(a)));
        }
    }

    @OnEachDType
    @Tag("small")
    void backwardRefusesBadArguments(On on) {
        AttentionCall.Inputs inputs = AttentionCall.Inputs.random(SHAPE, 6, 1);
        try (Tensors tensors = new Tensors(on)) {
            AttentionCall.Backward call = SHAPE.backward(tensors, on, SEGMENTS, inputs);
            common(new Refusals(tensors, "attention_backward"), on, call.operands())
                    .address("d_q", call.dQ())
                    .address("d_k", call.dK())
                    .address("d_v", call.dV())
                    .address("workspace", call.workspace())
                    .address("d_out", call.dOut())
                    .address("out", call.out())
                    .address("lse", call.lse())
                    .size("query_rows", 6, -1)
                    .check((device, a) -> Attention.backward(
                            device,
                            new Attention.Gradients(a.get("d_out"), a.get("d_q"), a.get("d_k"), a.get("d_v")),
                            inputs(a),
                            new Attention.Saved(a.get("out"), a.get("lse")),
                            segments(a, "query_rows"),
                            a.get("workspace"),
                            shape(a)));
        }
    }

    @OnEachDevice
    @Tag("small")
    void backwardRefusesSegmentsItWasNotMadeFor(On on) {
        assumeFalse(on.cuda(), "segments of a cuda device lie where the call cannot look at them");
        Segment prompt = Segment.plain(0, 3, 2);
        Segment chosen = Segment.withPrefix(prompt, 3, 2);
        Segment rejected = Segment.withPrefix(prompt, 5, 1);
        List<List<Segment>> bad = new ArrayList<>();
        bad.add(List.of(prompt, chosen));
        bad.add(List.of(chosen, prompt, rejected));
        bad.add(List.of(Segment.plain(0, 3, 1), chosen, rejected));
        bad.add(List.of(Segment.plain(0, 3, 0), chosen, rejected));
        bad.add(List.of(prompt, new Segment(3, 2, 3, 0, 0, 2, 0), rejected));
        bad.add(List.of(prompt, new Segment(3, 2, 3, 1, 0, 3, 0), rejected));
        bad.add(List.of(prompt, new Segment(3, 2, 2, 0, 0, 3, 0), rejected));
        bad.add(List.of(prompt, new Segment(3, -2, 3, 0, 0, 3, 0), rejected));
        bad.add(List.of(prompt, new Segment(-3, 2, -3, 0, 0, 3, 0), rejected));
        AttentionCall.Inputs inputs = AttentionCall.Inputs.random(SHAPE, 6, 1);
        for (List<Segment> segments : bad) {
            try (Tensors tensors = new Tensors(on)) {
                AttentionCall.Backward good = SHAPE.backward(tensors, on, List.of(prompt, chosen, rejected), inputs);
                AttentionCall.Backward call =
                        good.withSegments(segments, tensors.input("segments", Segment.pack(segments)));
                tensors.refused("attention_backward", "segments", call::run);
            }
        }
    }
}
