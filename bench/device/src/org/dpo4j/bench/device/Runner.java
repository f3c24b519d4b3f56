package org.dpo4j.bench.device;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;
import org.dpo4j.bench.device.Benchmark.Prepared;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/** Takes benchmarks through gate, rounds, burst and sustained work, each on a device opened for it, and then the peers. */
final class Runner {
    private static final double PEAK_HOPPER = 989.4e12;

    /** One benchmark at one shape. */
    private record Entry(Benchmark benchmark, Shape shape) {}

    private final Supplier<Device> open;
    private final boolean tiny;
    private final Pace pace;
    private final MachineState state;
    private final Results results;
    private final PrintStream out;
    private final Numbers numbers;
    /** What has no number of ours, and so needs none of others'. */
    private final Set<Entry> without = new HashSet<>();

    private final long began = System.nanoTime();

    /**
     * @param tiny shapes to look at, not to measure
     */
    Runner(Supplier<Device> open, boolean tiny, Pace pace, MachineState state, Results results, PrintStream out) {
        this.open = open;
        this.tiny = tiny;
        this.pace = pace;
        this.state = state;
        this.results = results;
        this.out = out;
        this.numbers = new Numbers(tiny);
    }

    private List<Entry> entries(List<Benchmark> benchmarks) {
        List<Entry> entries = new ArrayList<>();
        for (Benchmark benchmark : benchmarks) {
            for (Shape shape : tiny ? benchmark.tiny() : benchmark.shapes()) {
                entries.add(new Entry(benchmark, shape));
            }
        }
        return entries;
    }

    private double secondsLeft() {
        return pace.deadlineSeconds() - (System.nanoTime() - began) * 1e-9;
    }

    void run(List<Benchmark> benchmarks) {
        List<Entry> entries = entries(benchmarks);
        for (int i = 0; i < entries.size(); i++) {
            Entry entry = entries.get(i);
            double share = secondsLeft() / (entries.size() - i);
            if (secondsLeft() <= 0) {
                results.absent(entry.benchmark.name(), entry.shape, "", "the time of this run was over");
            } else {
                alone(entry, Math.min(1, share / 4));
            }
        }
    }

    /** {@code haste}: 1 for as long as the pace says, less where time runs out. */
    private void alone(Entry entry, double haste) {
        measure(entry, "", (device, own, prepared, fixtures) -> {
            Gate gate = new Gate(entry.benchmark.name() + " of " + entry.shape);
            Rounds rounds = new Rounds(new Clock(device), pace, state);
            prepared.call().queue(0);
            device.synchronize();
            prepared.check().run(gate);
            long memory = device.peakAllocatedBytes();
            int repeats = prepared.repeats()
                    ? Repeats.run(device, own, prepared.call(), gate, haste * pace.repeatSeconds())
                    : 0;
            List<Rounds.Contender> contenders = new ArrayList<>();
            contenders.add(rounds.contender(prepared.call()));
            Fixture beside = null;
            Prepared bound = null;
            Benchmark.Preparation preparation = entry.benchmark.roofline().preparation();
            if (preparation != null) {
                beside = fixtures.open(1);
                bound = preparation.prepare(beside);
                fixtures.closing(bound.close());
                contenders.add(rounds.contender(bound.call()));
            }
            boolean graph = entry.benchmark.isLaunchBound(entry.shape) && device.captures();
            if (graph) {
                GraphNodes nodes = new GraphNodes(device, prepared.call());
                fixtures.closing(nodes);
                contenders.add(rounds.contender(nodes.call()));
            }
            List<Times> times = rounds.run(contenders, haste * pace.roundsSeconds());
            ObjectNode row = row(entry, times.get(0), memory, gate.worst());
            if (repeats > 0) {
                row.put("repeats", repeats);
            }
            if (graph) {
                row.put("graph_nodes", GraphNodes.NODES);
                row.put("graph_node_us", times.get(times.size() - 1).median() / GraphNodes.NODES);
            }
            state.report(row);
            row.put("burst_us", rounds.burst(contenders.get(0)));
            row.put("sustained_us", rounds.sustained(contenders.get(0)));
            row.put("sustained_seconds", pace.sustainedSeconds());
            if (beside != null) {
                bound(row, entry, times, beside);
            }
            results.add(row);
            print(row);
        });
    }

    /** What is done with a prepared benchmark while its memory is there. */
    private interface Work {
        void run(Device device, Fixture own, Prepared prepared, Fixtures fixtures) throws Peer.Absent;
    }

    /** Fixtures of one entry, closed in the reverse order of opening. */
    private final class Fixtures implements AutoCloseable {
        private final Device device;
        private final Shape shape;
        private final List<AutoCloseable> open = new ArrayList<>();

        Fixtures(Device device, Shape shape) {
            this.device = device;
            this.shape = shape;
        }

        Fixture open(int copies) {
            Fixture fixture = new Fixture(device, shape, numbers, copies);
            open.add(fixture);
            return fixture;
        }

        void closing(AutoCloseable other) {
            open.add(other);
        }

        @Override
        public void close() {
            for (int i = open.size() - 1; i >= 0; i--) {
                try {
                    open.get(i).close();
                } catch (Exception e) {
                    throw new Dpo4jException("closing: " + e.getMessage(), e);
                }
            }
        }
    }

    /** Nothing that goes wrong with one benchmark ends the run: it is named, and the next is opened afresh. */
    private void measure(Entry entry, String peer, Work work) {
        String name = entry.benchmark.name();
        boolean made = false;
        try (Device device = open.get();
                Fixtures fixtures = new Fixtures(device, entry.shape)) {
            if (!device.supports(entry.shape.dtype())) {
                results.absent(name, entry.shape, peer, device.name() + " stores no " + entry.shape.dtype());
                without.add(entry);
                return;
            }
            Fixture own = fixtures.open(tiny ? 2 : entry.benchmark.copies(entry.shape));
            Prepared prepared = entry.benchmark.preparation().prepare(own);
            fixtures.closing(prepared.close());
            device.synchronize();
            made = true;
            work.run(device, own, prepared, fixtures);
        } catch (Peer.Absent | Peer.Ended e) {
            results.absent(name, entry.shape, peer, String.valueOf(e.getMessage()));
        } catch (RuntimeException e) {
            String reason = e instanceof Dpo4jException ? String.valueOf(e.getMessage()) : e.toString();
            if (made || !(e instanceof Dpo4jException)) {
                results.failed(name, entry.shape, reason);
                without.add(entry);
                out.println("FAILED " + name + " (" + entry.shape + "): " + reason);
            } else {
                results.absent(name, entry.shape, peer, reason);
                without.add(entry);
                out.println("not run: " + name + " (" + entry.shape + "): " + reason);
            }
        }
    }

    private ObjectNode row(Entry entry, Times times, long memory, double gate) {
        ObjectNode row = Results.row(entry.benchmark.name(), entry.shape);
        times(row, times);
        double bytes = entry.benchmark.bytes().of(entry.shape);
        double flops = entry.benchmark.flops().of(entry.shape);
        if (bytes > 0) {
            row.put("bytes", bytes);
            row.put("gigabytes_per_second", bytes / times.median() / 1e3);
        }
        if (flops > 0) {
            row.put("flops", flops);
            row.put("tflops", flops / times.median() / 1e6);
        }
        entry.benchmark.counts().forEach((name, count) -> {
            double number = count.of(entry.shape);
            if (name.equals("elements")) {
                row.put("elements", (long) number);
            } else {
                row.put(name + "_per_second", number / times.median() * 1e6);
            }
        });
        if (entry.benchmark.counts().containsKey("pairs")) {
            row.put("mfu_of_989_tflops", flops / times.median() * 1e6 / PEAK_HOPPER);
        }
        row.put("peak_memory_bytes", memory);
        row.put("gate", gate);
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

    /** The roofline of the very rounds, and the share of it that was reached. */
    private void bound(ObjectNode row, Entry entry, List<Times> times, Fixture beside) {
        Roofline roofline = entry.benchmark.roofline();
        double rate = roofline.work().applyAsDouble(beside) / times.get(1).median();
        double own = (roofline.bytes() ? entry.benchmark.bytes() : entry.benchmark.flops()).of(entry.shape)
                / times.get(0).median();
        row.put("roofline", roofline.name());
        row.put("roofline_us", times.get(1).median());
        row.put(
                roofline.bytes() ? "roofline_gigabytes_per_second" : "roofline_tflops",
                rate / (roofline.bytes() ? 1e3 : 1e6));
        row.put("ratio", own / rate);
    }

    private void print(ObjectNode row) {
        StringBuilder line = new StringBuilder(String.format(
                Locale.ROOT,
                "%-32s %10.1f us",
                row.path("benchmark").asText()
                        + (row.has("peer") ? " " + row.path("peer").asText() : ""),
                row.path("median_us").asDouble()));
        if (row.has("gigabytes_per_second")) {
            line.append(String.format(
                    Locale.ROOT, " %8.1f GB/s", row.path("gigabytes_per_second").asDouble()));
        }
        if (row.has("tflops")) {
            line.append(String.format(
                    Locale.ROOT, " %8.2f TFLOP/s", row.path("tflops").asDouble()));
        }
        if (row.has("graph_node_us")) {
            line.append(String.format(
                    Locale.ROOT,
                    "  %.2f us in a graph",
                    row.path("graph_node_us").asDouble()));
        }
        if (row.has("ratio")) {
            line.append(String.format(
                    Locale.ROOT,
                    "  %.3f of %s",
                    row.path("ratio").asDouble(),
                    row.path("roofline").asText()));
        }
        if (row.has("times_ours")) {
            line.append(String.format(
                    Locale.ROOT, "  %.2f times ours", row.path("times_ours").asDouble()));
        }
        List<String> sizes = new ArrayList<>();
        row.path("parameters")
                .properties()
                .forEach(each -> sizes.add(each.getKey() + " " + each.getValue().asText()));
        out.println(line + "  " + String.join(", ", sizes));
    }

    /** Each peer in turns with ours, for every benchmark that it has a counterpart of. */
    void peers(
            List<Benchmark> benchmarks,
            Path script,
            @Nullable Path folder,
            String device,
            Map<String, String> environment) {
        for (String name : Peer.NAMES) {
            if (secondsLeft() <= 0) {
                results.peer(name, "the time of this run was over");
                continue;
            }
            double patience = Math.min(300, Math.max(1, secondsLeft()));
            try (Peer peer = Peer.start(name, script, folder, device, environment, patience)) {
                results.peer(name, peer.software());
                for (Entry entry : entries(benchmarks)) {
                    if (peer.has(entry.benchmark.name()) && !without.contains(entry)) {
                        beside(entry, peer);
                    }
                }
            } catch (Peer.Absent e) {
                results.peer(name, "did not run: " + e.reason());
                out.println("peer " + name + " did not run: " + e.reason());
            }
        }
    }

    private void beside(Entry entry, Peer peer) {
        if (secondsLeft() <= 0) {
            results.absent(entry.benchmark.name(), entry.shape, peer.name(), "the time of this run was over");
            return;
        }
        measure(entry, peer.name(), (device, own, prepared, fixtures) -> {
            Rounds rounds = new Rounds(new Clock(device), pace, state);
            Rounds.Contender ours = rounds.contender(prepared.call());
            var answer = peer.prepare(entry.benchmark.name(), entry.shape, pace);
            List<Times> times =
                    rounds.run(List.of(ours, peer.contender(answer.path("calls").asInt())), pace.roundsSeconds());
            peer.release();
            ObjectNode row = Results.row(entry.benchmark.name(), entry.shape);
            row.put("peer", peer.name());
            times(row, times.get(1));
            row.put("ours_us", times.get(0).median());
            row.put("times_ours", times.get(1).median() / times.get(0).median());
            row.put("gate", answer.path("gate").asDouble());
            row.put("peak_memory_bytes", answer.path("peak_memory_bytes").asLong());
            state.report(row);
            results.add(row);
            print(row);
        });
    }
}
