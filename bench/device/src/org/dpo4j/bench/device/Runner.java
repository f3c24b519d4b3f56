package org.dpo4j.bench.device;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedDeque;
import java.util.function.Supplier;
import org.dpo4j.bench.device.Benchmark.Prepared;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/** Takes benchmarks through gate, rounds, burst and sustained work, each on a device opened for it, and then the peers. */
final class Runner {
    private static final String OVER = "the time of this run was over";

    /** One benchmark at one shape, ours or beside a peer. */
    private record Entry(Benchmark benchmark, Shape shape, String peer) {
        Entry ours() {
            return new Entry(benchmark, shape, "");
        }
    }

    private final Supplier<Device> open;
    private final boolean tiny;
    private final Pace pace;
    private final Deadline deadline;
    private final MachineState state;
    private final Results results;
    private final PrintStream out;
    private final Numbers numbers;
    /** What has no number of ours, and so needs none of others'. */
    private final Set<Entry> without = new HashSet<>();
    /** What is to be run yet, the present first: also read by who cuts a run off. */
    private final Deque<Entry> ahead = new ConcurrentLinkedDeque<>();

    private final Deque<String> peersAhead = new ConcurrentLinkedDeque<>(Peer.NAMES);

    /**
     * @param tiny shapes to look at, not to measure
     */
    Runner(
            Supplier<Device> open,
            boolean tiny,
            Pace pace,
            Deadline deadline,
            MachineState state,
            Results results,
            PrintStream out) {
        this.open = open;
        this.tiny = tiny;
        this.pace = pace;
        this.deadline = deadline;
        this.state = state;
        this.results = results;
        this.out = out;
        this.numbers = new Numbers(tiny);
    }

    private List<Entry> entries(List<Benchmark> benchmarks, String peer) {
        List<Entry> entries = new ArrayList<>();
        for (Benchmark benchmark : benchmarks) {
            for (Shape shape : tiny ? benchmark.tiny() : benchmark.shapes()) {
                entries.add(new Entry(benchmark, shape, peer));
            }
        }
        return entries;
    }

    private void absent(Entry entry, String reason) {
        results.absent(entry.benchmark.name(), entry.shape, entry.peer, reason);
    }

    void run(List<Benchmark> benchmarks) {
        ahead.addAll(entries(benchmarks, ""));
        for (Entry entry = ahead.peek(); entry != null; entry = ahead.peek()) {
            double share = deadline.secondsLeft() / ahead.size();
            if (deadline.isOver()) {
                absent(entry, OVER);
            } else {
                alone(entry, Math.min(1, share / 4));
            }
            ahead.poll();
        }
    }

    /** Names what will not be run, in the middle of a run that goes on too long. */
    void cut() {
        Entry present = ahead.poll();
        if (present != null) {
            absent(present, "cut off: " + OVER);
        }
        ahead.forEach(entry -> absent(entry, OVER));
        peersAhead.forEach(peer -> results.peer(peer, OVER));
    }

    /** {@code haste}: 1 for as long as the pace says, less where time runs out. */
    private void alone(Entry entry, double haste) {
        measure(entry, (device, own, prepared, fixtures) -> {
            Gate gate = new Gate(entry.benchmark.name() + " of " + entry.shape);
            Rounds rounds = new Rounds(new Clock(device), pace, state);
            prepared.call().queue(0);
            device.synchronize();
            prepared.check().run(gate);
            long memory = device.peakAllocatedBytes();
            int repeats = prepared.repeats()
                    ? Repeats.run(device, own, prepared.call(), gate, haste * pace.repeatSeconds())
                    : 0;
            Rounds.Contender ours = rounds.contender(prepared.call());
            Fixture beside = fixtures.open(1);
            List<Rounds.Contender> bound = bound(entry, rounds, beside, fixtures);
            List<Rounds.Contender> nodes = nodes(entry, rounds, prepared.call(), device, fixtures);
            List<Rounds.Contender> contenders = new ArrayList<>(List.of(ours));
            contenders.addAll(bound);
            contenders.addAll(nodes);
            List<Times> times = rounds.run(contenders, haste * pace.roundsSeconds());
            ObjectNode row = ResultRow.ours(entry.benchmark, entry.shape, times.get(0));
            row.put("peak_memory_bytes", memory);
            row.put("gate", gate.worst());
            if (repeats > 0) {
                row.put("repeats", repeats);
            }
            if (!nodes.isEmpty()) {
                row.put("graph_nodes", GraphNodes.NODES);
                row.put("graph_node_us", times.get(times.size() - 1).median() / GraphNodes.NODES);
            }
            state.report(row);
            row.put("burst_us", rounds.burst(ours));
            row.put("sustained_us", rounds.sustained(ours));
            row.put("sustained_seconds", pace.sustainedSeconds());
            if (!bound.isEmpty()) {
                ResultRow.bound(row, entry.benchmark, times.get(0), times.get(1), beside);
            }
            keep(row);
        });
    }

    /** The roofline, where a benchmark has one; its tensors are in {@code beside}. */
    private static List<Rounds.Contender> bound(Entry entry, Rounds rounds, Fixture beside, Fixtures fixtures) {
        Benchmark.Preparation preparation = entry.benchmark.roofline().preparation();
        if (preparation == null) {
            return List.of();
        }
        Prepared prepared = preparation.prepare(beside);
        fixtures.closing(prepared.close());
        return List.of(rounds.contender(prepared.call()));
    }

    /** The call as nodes of a graph, where its launch is what it costs. */
    private static List<Rounds.Contender> nodes(
            Entry entry, Rounds rounds, Benchmark.Call call, Device device, Fixtures fixtures) {
        if (!entry.benchmark.isLaunchBound(entry.shape) || !device.captures()) {
            return List.of();
        }
        GraphNodes nodes = new GraphNodes(device, call);
        fixtures.closing(nodes);
        return List.of(rounds.contender(nodes.call()));
    }

    private void keep(ObjectNode row) {
        results.add(row);
        out.println(ResultRow.line(row));
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
    private void measure(Entry entry, Work work) {
        boolean made = false;
        try (Device device = open.get();
                Fixtures fixtures = new Fixtures(device, entry.shape)) {
            if (!device.supports(entry.shape.dtype())) {
                absent(entry, device.name() + " stores no " + entry.shape.dtype());
                without.add(entry.ours());
                return;
            }
            Fixture own = fixtures.open(tiny ? 2 : entry.benchmark.copies(entry.shape));
            Prepared prepared = entry.benchmark.preparation().prepare(own);
            fixtures.closing(prepared.close());
            device.synchronize();
            made = true;
            work.run(device, own, prepared, fixtures);
        } catch (Peer.Absent | Peer.Ended e) {
            absent(entry, String.valueOf(e.getMessage()));
        } catch (RuntimeException e) {
            without.add(entry.ours());
            String reason = e instanceof Dpo4jException ? String.valueOf(e.getMessage()) : e.toString();
            String what = entry.benchmark.name() + " (" + entry.shape + "): " + reason;
            if (made || !(e instanceof Dpo4jException)) {
                results.failed(entry.benchmark.name(), entry.shape, reason);
                out.println("FAILED " + what);
            } else {
                absent(entry, reason);
                out.println("not run: " + what);
            }
        }
    }

    /** Each peer in turns with ours, for every benchmark that it has a counterpart of. */
    void peers(
            List<Benchmark> benchmarks,
            Path script,
            @Nullable Path folder,
            String device,
            Map<String, String> environment) {
        for (String name = peersAhead.peek(); name != null; name = peersAhead.peek()) {
            if (deadline.isOver()) {
                results.peer(name, OVER);
                peersAhead.poll();
                continue;
            }
            double patience = Math.min(300, Math.max(1, deadline.secondsLeft()));
            try (Peer peer = Peer.start(name, script, folder, device, environment, patience)) {
                results.peer(name, peer.software());
                peersAhead.poll();
                turns(benchmarks, peer);
            } catch (Peer.Absent e) {
                peersAhead.poll();
                results.peer(name, "did not run: " + e.reason());
                out.println("peer " + name + " did not run: " + e.reason());
            }
        }
    }

    private void turns(List<Benchmark> benchmarks, Peer peer) {
        for (Entry entry : entries(benchmarks, peer.name())) {
            if (peer.has(entry.benchmark.name()) && !without.contains(entry.ours())) {
                ahead.add(entry);
            }
        }
        for (Entry entry = ahead.peek(); entry != null; entry = ahead.peek()) {
            if (deadline.isOver()) {
                absent(entry, OVER);
            } else {
                beside(entry, peer);
            }
            ahead.poll();
        }
    }

    private void beside(Entry entry, Peer peer) {
        measure(entry, (device, own, prepared, fixtures) -> {
            Rounds rounds = new Rounds(new Clock(device), pace, state);
            Rounds.Contender ours = rounds.contender(prepared.call());
            var answer = peer.prepare(entry.benchmark.name(), entry.shape, pace);
            Rounds.Contender theirs = peer.contender(answer.path("calls").asInt());
            List<Times> times = rounds.run(List.of(ours, theirs), pace.roundsSeconds());
            peer.release();
            ObjectNode row = ResultRow.theirs(entry.benchmark, entry.shape, entry.peer, times.get(0), times.get(1));
            row.put("gate", answer.path("gate").asDouble());
            row.put("peak_memory_bytes", answer.path("peak_memory_bytes").asLong());
            state.report(row);
            keep(row);
        });
    }
}
