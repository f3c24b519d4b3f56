package org.dpo4j.bench.device;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedDeque;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import org.dpo4j.bench.device.Benchmark.Prepared;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.DeviceBuffer;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * Takes benchmarks through gate, rounds, burst and sustained work, each on a device opened for it, and then the peers. A benchmark that does not end in
 * {@value #PATIENCE} times what it was expected to take is named as hung, and the process ends: its thread waits in the driver, where nothing
 * reaches it.
 */
final class Runner {
    private static final String OVER = "the time of this run was over";
    private static final int PATIENCE = 4;
    private static final long PROBE_BYTES = 16;

    /**
     * The device answers every call with an error, as CUDA does after a fault in a kernel until the process ends. What was not reached is named in the
     * results.
     */
    static final class DeviceLost extends RuntimeException {
        private static final long serialVersionUID = 1L;

        DeviceLost(String message) {
            super(message);
        }
    }

    /** One benchmark at one shape, ours or beside a peer. */
    private record Entry(Benchmark benchmark, Shape shape, String peer) {
        Entry ours() {
            return new Entry(benchmark, shape, "");
        }
    }

    private final Supplier<Device> open;
    private final Pace pace;
    private final Deadline deadline;
    private final MachineState state;
    private final Results results;
    private final PrintStream out;
    private final Runnable halt;
    private final Numbers numbers;
    /** What has no number of ours, and so needs none of others'. */
    private final Set<Entry> without = new HashSet<>();
    /** What is to be run yet, the present first: also read by who cuts a run off. */
    private final Deque<Entry> ahead = new ConcurrentLinkedDeque<>();

    private volatile long presentBegan = System.nanoTime();

    private final Deque<String> peersAhead = new ConcurrentLinkedDeque<>(Peer.NAMES);

    /**
     * @param halt ends the process where a benchmark hangs, when that is in the results
     */
    Runner(
            Supplier<Device> open,
            Pace pace,
            Deadline deadline,
            MachineState state,
            Results results,
            PrintStream out,
            Runnable halt) {
        this.open = open;
        this.pace = pace;
        this.deadline = deadline;
        this.state = state;
        this.results = results;
        this.out = out;
        this.halt = halt;
        this.numbers = new Numbers(pace.isTiny());
    }

    private List<Entry> entries(List<Benchmark> benchmarks, String peer) {
        List<Entry> entries = new ArrayList<>();
        for (Benchmark benchmark : benchmarks) {
            for (Shape shape : pace.isTiny() ? benchmark.tiny() : benchmark.shapes()) {
                entries.add(new Entry(benchmark, shape, peer));
            }
        }
        return entries;
    }

    private void absent(Entry entry, String reason) {
        results.absent(entry.benchmark.name(), entry.shape, entry.peer, reason);
    }

    /** Runs what no earlier run has finished. */
    void run(List<Benchmark> benchmarks) {
        for (Entry entry : entries(benchmarks, "")) {
            if (results.isDone(entry.benchmark.name(), entry.shape)) {
                out.println("done before: " + entry.benchmark.name() + " (" + entry.shape + ")");
                without.add(entry.ours());
            } else {
                ahead.add(entry);
            }
        }
        for (Entry entry = ahead.peek(); entry != null; entry = ahead.peek()) {
            double share = deadline.secondsLeft() / ahead.size();
            if (deadline.isOver()) {
                absent(entry, OVER);
            } else {
                watched(entry, Math.min(1, share / 4));
            }
            ahead.poll();
        }
    }

    /** Names what will not be run, in the middle of a run that goes on too long; what takes longer than it was expected to has failed. */
    void cut() {
        Entry present = ahead.poll();
        if (present != null) {
            double seconds = (System.nanoTime() - presentBegan) * 1e-9;
            double expected = expectedSeconds(present);
            if (seconds <= expected) {
                absent(present, "cut off: " + OVER);
            } else {
                fail(
                        present,
                        String.format(
                                Locale.ROOT,
                                "cut off after %.0f s, where %.0f were expected: %s",
                                seconds,
                                expected,
                                OVER));
            }
        }
        leave(OVER);
    }

    private double expectedSeconds(Entry entry) {
        return pace.expectedSeconds(Benchmark.bytesOnDisk(entry.shape));
    }

    /** Names what will not be run, and why. */
    private void leave(String reason) {
        for (Entry entry = ahead.poll(); entry != null; entry = ahead.poll()) {
            absent(entry, reason);
        }
        leavePeers(reason);
    }

    /** Runs no peer. */
    void leavePeers(String reason) {
        for (String peer = peersAhead.poll(); peer != null; peer = peersAhead.poll()) {
            results.peer(peer, reason);
        }
    }

    private void watched(Entry entry, double haste) {
        double seconds = PATIENCE * expectedSeconds(entry);
        presentBegan = System.nanoTime();
        try (Deadline watch = new Deadline(seconds, 0)) {
            watch.enforce(() -> hung(entry, seconds));
            alone(entry, haste);
        }
    }

    /** On the thread of the watch, while the main thread waits for the device. */
    private void hung(Entry entry, double seconds) {
        String reason =
                String.format(Locale.ROOT, "hung: no end after %.0f s, %d times what was expected", seconds, PATIENCE);
        ahead.poll();
        fail(entry, reason);
        leave("not reached: " + entry.benchmark.name() + " hung; --skip-done " + results.file() + " goes on after it");
        halt.run();
    }

    /** {@code haste}: 1 for as long as the pace says, less where time runs out. */
    private void alone(Entry entry, double haste) {
        measure(entry, (device, own, prepared, fixtures) -> {
            Gate gate = new Gate(entry.benchmark.name() + " of " + entry.shape);
            Rounds rounds = new Rounds(new Clock(device), pace, state);
            prepared.call().queue(0);
            device.synchronize();
            String wrong = failure(() -> prepared.check().run(gate));
            long memory = device.peakAllocatedBytes();
            AtomicInteger repeats = new AtomicInteger();
            if (wrong == null && prepared.repeats()) {
                double seconds = haste * pace.repeatSeconds();
                wrong = failure(() -> repeats.set(Repeats.run(device, own, prepared.call(), gate, seconds)));
            }
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
            if (wrong != null) {
                row.put(Results.GATE_FAILED, wrong);
                without.add(entry.ours());
            }
            if (repeats.get() > 0) {
                row.put("repeats", repeats.get());
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

    /** Why a result is wrong; null where it is right. */
    private static @Nullable String failure(Runnable gated) {
        try {
            gated.run();
            return null;
        } catch (Gate.Failed e) {
            return String.valueOf(e.getMessage());
        }
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
        if (!entry.benchmark.isLaunchBound(entry.shape) || !device.supportsGraphs()) {
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

    /**
     * What goes wrong with one benchmark is named, and the next is opened afresh; but for a device that has failed for good, which ends the run: every
     * later benchmark would fail of it.
     */
    private void measure(Entry entry, Work work) {
        boolean made = false;
        try (Device device = open.get();
                Fixtures fixtures = new Fixtures(device, entry.shape)) {
            if (!device.supports(entry.shape.dtype())) {
                absent(entry, device.name() + " stores no " + entry.shape.dtype());
                without.add(entry.ours());
                return;
            }
            Fixture own = fixtures.open(pace.isTiny() ? 2 : entry.benchmark.copies(entry.shape));
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
            if (made || !(e instanceof Dpo4jException)) {
                fail(entry, reason);
            } else {
                absent(entry, reason);
                out.println("not run: " + entry.benchmark.name() + " (" + entry.shape + "): " + reason);
            }
            if (!deviceWorks()) {
                lose(entry);
            }
        }
    }

    private void fail(Entry entry, String reason) {
        results.failed(entry.benchmark.name(), entry.shape, reason);
        out.println("FAILED " + entry.benchmark.name() + " (" + entry.shape + "): " + reason);
    }

    /** Whether a device that is opened afresh takes work and ends it. */
    private boolean deviceWorks() {
        try (Device device = open.get();
                DeviceBuffer memory = device.allocate(PROBE_BYTES)) {
            device.fill(memory.address(), 0, PROBE_BYTES);
            device.synchronize();
            return true;
        } catch (RuntimeException e) {
            return false;
        }
    }

    private void lose(Entry entry) {
        String lost = "the device has failed for good in " + entry.benchmark.name() + " (" + entry.shape + ")";
        ahead.poll();
        leave("not reached: " + lost + "; --skip-done " + results.file() + " in a new process goes on after it");
        throw new DeviceLost(lost + ": this process cannot use it any more");
    }

    /** Each peer in turns with ours, for every benchmark that it has a counterpart of. */
    void peers(
            List<Benchmark> benchmarks,
            Path script,
            @Nullable Path folder,
            String device,
            Map<String, String> environment) {
        List<String> measured = entries(benchmarks, "").stream()
                .filter(entry -> !without.contains(entry))
                .map(entry -> entry.benchmark.name())
                .toList();
        for (String name = peersAhead.peek(); name != null; name = peersAhead.peek()) {
            if (!Counterparts.hasAny(name, measured)) {
                results.peer(name, "not started: it has none of these benchmarks");
                peersAhead.poll();
                continue;
            }
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
