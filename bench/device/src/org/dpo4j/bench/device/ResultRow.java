package org.dpo4j.bench.device;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Locale;

/** Formats a row of results as JSON and as a line of text. */
final class ResultRow {
    /** Peak FLOPs per second of bf16 products without sparsity on H100 SXM and H200: NVIDIA's data sheets. */
    private static final double PEAK_HOPPER = 989.4e12;

    private ResultRow() {}

    /** A row of times, and of the rates computed from them and the bytes, FLOPs and counts of the benchmark. */
    static ObjectNode of(Benchmark benchmark, Shape shape, Times times) {
        ObjectNode row = Results.row(benchmark.name(), shape);
        row.put("samples", times.byRound().size());
        row.put("calls", times.calls());
        row.put("p20_us", times.at(20));
        row.put("median_us", times.median());
        row.put("p80_us", times.at(80));
        times.byRound().forEach(row.putArray("round_us")::add);
        double bytes = benchmark.work().bytes().of(shape);
        double flops = benchmark.work().flops().of(shape);
        if (bytes > 0) {
            row.put("bytes", bytes);
            row.put("gigabytes_per_second", bytes / times.median() / 1e3);
        }
        if (flops > 0) {
            row.put("flops", flops);
            row.put("tflops", flops / times.median() / 1e6);
        }
        benchmark.work().counts().forEach((name, count) -> {
            double number = count.of(shape);
            if (name.equals("elements")) {
                row.put("elements", (long) number);
            } else {
                row.put(name + "_per_second", number / times.median() * 1e6);
            }
        });
        if (benchmark.work().counts().containsKey("pairs")) {
            row.put("mfu_of_989_tflops", flops / times.median() * 1e6 / PEAK_HOPPER);
        }
        return row;
    }

    /**
     * Adds the roofline's time, measured in the same rounds, and the ratio of the benchmark's rate to it. {@code
     * beside} has the roofline's tensors.
     */
    static void bound(ObjectNode row, Benchmark benchmark, Times times, Times bound, Fixture beside) {
        Roofline roofline = benchmark.roofline();
        double rate = roofline.work().applyAsDouble(beside) / bound.median();
        Benchmark.Work own = benchmark.work();
        double ours = (roofline.isBytes() ? own.bytes() : own.flops()).of(beside.shape()) / times.median();
        row.put("roofline", roofline.name());
        row.put("roofline_us", bound.median());
        row.put(
                roofline.isBytes() ? "roofline_gigabytes_per_second" : "roofline_tflops",
                rate / (roofline.isBytes() ? 1e3 : 1e6));
        row.put("ratio", ours / rate);
    }

    /** A row in one line. */
    static String line(ObjectNode row) {
        StringBuilder line = new StringBuilder();
        append(line, "%-32s", row.path("benchmark").asText());
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
        String gate = row.has(Results.GATE_FAILED)
                ? "  GATE FAILED: " + row.path(Results.GATE_FAILED).asText()
                : "";
        return line + "  " + Quantity.parameters(row) + gate;
    }

    private static void append(StringBuilder line, String format, Object value) {
        line.append(String.format(Locale.ROOT, format, value));
    }
}
