package org.dpo4j.bench.device;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** A row of results: what was measured, as JSON and as a line to read. */
final class ResultRow {
    /** Dense bf16 products of an H100 SXM and of an H200, by NVIDIA's data sheets. */
    private static final double PEAK_HOPPER = 989.4e12;

    private ResultRow() {}

    /** Times of our own, and the rates that follow from a benchmark's bytes, FLOPs and counts. */
    static ObjectNode ours(Benchmark benchmark, Shape shape, Times times) {
        ObjectNode row = Results.row(benchmark.name(), shape);
        times(row, times);
        double bytes = benchmark.bytes().of(shape);
        double flops = benchmark.flops().of(shape);
        if (bytes > 0) {
            row.put("bytes", bytes);
            row.put("gigabytes_per_second", bytes / times.median() / 1e3);
        }
        if (flops > 0) {
            row.put("flops", flops);
            row.put("tflops", flops / times.median() / 1e6);
        }
        benchmark.counts().forEach((name, count) -> {
            double number = count.of(shape);
            if (name.equals("elements")) {
                row.put("elements", (long) number);
            } else {
                row.put(name + "_per_second", number / times.median() * 1e6);
            }
        });
        if (benchmark.counts().containsKey("pairs")) {
            row.put("mfu_of_989_tflops", flops / times.median() * 1e6 / PEAK_HOPPER);
        }
        return row;
    }

    /** Another library's times, beside ours of the same rounds. */
    static ObjectNode theirs(Benchmark benchmark, Shape shape, String peer, Times ours, Times theirs) {
        ObjectNode row = Results.row(benchmark.name(), shape);
        row.put("peer", peer);
        times(row, theirs);
        row.put("ours_us", ours.median());
        row.put("times_ours", theirs.median() / ours.median());
        return row;
    }

    private static void times(ObjectNode row, Times times) {
        row.put("samples", times.rounds());
        row.put("calls", times.calls());
        row.put("p20_us", times.at(20));
        row.put("median_us", times.median());
        row.put("p80_us", times.at(80));
        times.byRound().forEach(row.putArray("round_us")::add);
    }

    /** The roofline of the very rounds, and the share of it that was reached; {@code beside} has the roofline's tensors. */
    static void bound(ObjectNode row, Benchmark benchmark, Times times, Times bound, Fixture beside) {
        Roofline roofline = benchmark.roofline();
        double rate = roofline.work().applyAsDouble(beside) / bound.median();
        double own = (roofline.bytes() ? benchmark.bytes() : benchmark.flops()).of(beside.shape()) / times.median();
        row.put("roofline", roofline.name());
        row.put("roofline_us", bound.median());
        row.put(
                roofline.bytes() ? "roofline_gigabytes_per_second" : "roofline_tflops",
                rate / (roofline.bytes() ? 1e3 : 1e6));
        row.put("ratio", own / rate);
    }

    /** A row in one line. */
    static String line(ObjectNode row) {
        StringBuilder line = new StringBuilder();
        String peer = row.has("peer") ? " " + row.path("peer").asText() : "";
        append(line, "%-32s", row.path("benchmark").asText() + peer);
        append(line, " %10.1f us", row.path("median_us").asDouble());
        if (row.has("gigabytes_per_second")) {
            append(line, " %8.1f GB/s", row.path("gigabytes_per_second").asDouble());
        }
        if (row.has("tflops")) {
            append(line, " %8.2f TFLOP/s", row.path("tflops").asDouble());
        }
        if (row.has("graph_node_us")) {
            append(line, "  %.2f us in a graph", row.path("graph_node_us").asDouble());
        }
        if (row.has("ratio")) {
            append(line, "  %.3f of", row.path("ratio").asDouble());
            line.append(' ').append(row.path("roofline").asText());
        }
        if (row.has("times_ours")) {
            append(line, "  %.2f times ours", row.path("times_ours").asDouble());
        }
        List<String> sizes = new ArrayList<>();
        row.path("parameters")
                .properties()
                .forEach(each -> sizes.add(each.getKey() + " " + each.getValue().asText()));
        String gate = row.has(Results.GATE_FAILED)
                ? "  GATE FAILED: " + row.path(Results.GATE_FAILED).asText()
                : "";
        return line + "  " + String.join(", ", sizes) + gate;
    }

    private static void append(StringBuilder line, String format, Object value) {
        line.append(String.format(Locale.ROOT, format, value));
    }
}
