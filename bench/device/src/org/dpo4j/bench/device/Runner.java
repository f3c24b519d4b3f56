package org.dpo4j.bench.device;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.ConcurrentLinkedDeque;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntConsumer;
import java.util.function.Supplier;
import org.dpo4j.bench.device.Benchmark.Prepared;
import org.dpo4j.bench.device.Rounds.Contender;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.DeviceBuffer;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * Runs benchmarks, each on a device opened for it: gate, repeats, rounds, burst and sustained work. If a benchmark does
 * not end, a watch writes its name to the results and ends the process, because a thread that waits in the driver
 * cannot be interrupted.
 */
final class Runner {
    private static final String OVER = "the time of this run was over";
    /** A benchmark hangs if it takes this many times the expected time. */
    private static final int PATIENCE = 4;

    private static final long PROBE_BYTES = 16;

    private static final double LARGE_MODEL_BYTES = 8e9;

    /** After a fault in a kernel, CUDA returns an error for every call until the process ends. */
    static final class DeviceLost extends RuntimeException {
        private static final long serialVersionUID = 1L;

        DeviceLost(String message) {
            super(message);
        }
    }

    /** One benchmark at one shape. */
    private record Entry(Benchmark benchmark, Shape shape) {
        String name() {
            return benchmark.name();
        }

        @Override
        public String toString() {
            return name() + " (" + shape + ")";
        }
    }

    private final Supplier<Device> open;
    private final Pace pace;
    private final Deadline deadline;
    private final MachineState state;
    private final Results results;
    private final PrintStream out;
    private final IntConsumer halt;
    private final Numbers numbers;
    /** Entries that have not ended, the current one first. The thread of the watch uses them too. */
    private final Deque<Entry> ahead = new ConcurrentLinkedDeque<>();

    /**
     * @param halt ends the process with an exit code if a benchmark does not end
     */
    Runner(
            Supplier<Device> open,
            Pace pace,
            Deadline deadline,
            MachineState state,
            Results results,
            PrintStream out,
            IntConsumer halt) {
        this.open = open;
        this.pace = pace;
        this.deadline = deadline;
        this.state = state;
        this.results = results;
        this.out = out;
        this.halt = halt;
        this.numbers = new Numbers(pace.scale());
    }

    /** Runs what no earlier run has finished. */
    void run(List<Benchmark> benchmarks) {
        for (Entry entry : inOrder(benchmarks)) {
            if (results.isDone(entry.name(), entry.shape)) {
                out.println("done before: " + entry);
            } else {
                ahead.add(entry);
            }
        }
        for (Entry entry = ahead.peek(); entry != null; entry = ahead.peek()) {
            Entry present = entry;
            // If the deadline is near, every benchmark gets less time.
            double haste = Math.min(1, deadline.secondsLeft() / ahead.size() / 4);
            if (deadline.isOver()) {
                absent(entry, OVER);
            } else {
                watched(entry, () -> measure(present, haste));
            }
            ahead.poll();
        }
    }

    /**
     * The first shape of every benchmark, then the second of each, and so on. So a run that ends early has measured most
     * benchmarks at one shape. Benchmarks of models above 8 GB come last, because writing and reading such a model takes minutes.
     */
    private List<Entry> inOrder(List<Benchmark> benchmarks) {
        List<Entry> entries = new ArrayList<>();
        List<Entry> large = new ArrayList<>();
        int before;
        int round = 0;
        do {
            before = entries.size() + large.size();
            for (Benchmark benchmark : benchmarks) {
                List<Shape> shapes = benchmark.shapes().of(pace.scale());
                if (round < shapes.size()) {
                    Shape shape = shapes.get(round);
                    (Benchmark.bytesOnDisk(shape) > LARGE_MODEL_BYTES ? large : entries)
                            .add(new Entry(benchmark, shape));
                }
            }
            round++;
        } while (entries.size() + large.size() > before);
        entries.addAll(large);
        return entries;
    }

    private double expectedSeconds(Entry entry) {
        return pace.expectedSeconds(Benchmark.bytesOnDisk(entry.shape));
    }

    private void watched(Entry entry, Runnable work) {
        long began = System.nanoTime();
        double hungAfter = PATIENCE * expectedSeconds(entry);
        double left = deadline.secondsLeftWithGrace();
        Runnable stop = hungAfter <= left
                ? () -> stopHung(entry, hungAfter)
                : () -> cut(entry, (System.nanoTime() - began) * 1e-9);
        try (Watch watch = new Watch(Math.min(hungAfter, left), stop)) {
            work.run();
        }
    }

    /** On the thread of the watch. */
    private void stopHung(Entry entry, double seconds) {
        ahead.poll();
        fail(entry, format("hung: no end after %.0f s, %d times what was expected", seconds, PATIENCE));
        leave("not reached: " + entry.name() + " hung; --skip-done " + results.file() + " goes on after it");
        halt.accept(Bench.HUNG);
    }

    /** On the thread of the watch, when the run is over: an entry that took longer than expected has failed. */
    private void cut(Entry entry, double seconds) {
        ahead.poll();
        double expected = expectedSeconds(entry);
        if (seconds <= expected) {
            absent(entry, "cut off: " + OVER);
        } else {
            fail(entry, format("cut off after %.0f s, where %.0f were expected: %s", seconds, expected, OVER));
        }
        leave(OVER);
        halt.accept(results.failures() == 0 ? 0 : Bench.FAILED);
    }

    private static String format(String format, Object... values) {
        return String.format(Locale.ROOT, format, values);
    }

    /** Names what will not be run, and why. */
    private void leave(String reason) {
        for (Entry entry = ahead.poll(); entry != null; entry = ahead.poll()) {
            absent(entry, reason);
        }
    }

    private void absent(Entry entry, String reason) {
        results.absent(entry.name(), entry.shape, reason);
    }

    private void fail(Entry entry, String reason) {
        results.failed(entry.name(), entry.shape, reason);
        out.println("FAILED " + entry + ": " + reason);
    }

    /** Why a result is wrong; null if it is right. */
    private static @Nullable String failure(Runnable gated) {
        try {
            gated.run();
            return null;
        } catch (Gate.Failed e) {
            return String.valueOf(e.getMessage());
        }
    }

    /** Resources of an entry, closed in reverse order. */
    private static final class Opened implements AutoCloseable {
        private final List<AutoCloseable> open = new ArrayList<>();

        <T extends AutoCloseable> T add(T other) {
            open.add(other);
            return other;
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
     * Measures on a device opened for it. An error is written to the results, and the next benchmark runs. After an
     * error from which the device does not recover, none runs, because every later benchmark would fail too.
     *
     * @param haste factor of the time that the pace gives: 1, or less if the time is short
     */
    private void measure(Entry entry, double haste) {
        boolean isPrepared = false;
        try (Device device = open.get();
                Opened opened = new Opened()) {
            if (!device.supports(entry.shape.dtype())) {
                absent(entry, device.name() + " stores no " + entry.shape.dtype());
                return;
            }
            int copies = entry.benchmark.copies(entry.shape, pace.scale());
            Fixture own = opened.add(new Fixture(device, entry.shape, numbers, copies));
            Prepared prepared = entry.benchmark.preparation().prepare(own);
            opened.add(prepared.close());
            device.synchronize();
            isPrepared = true;
            ObjectNode row = time(entry, own, prepared, opened, haste);
            results.add(row);
            out.println(ResultRow.line(row));
        } catch (RuntimeException e) {
            String reason = e instanceof Dpo4jException ? String.valueOf(e.getMessage()) : e.toString();
            if (isPrepared || !(e instanceof Dpo4jException)) {
                fail(entry, reason);
            } else {
                absent(entry, reason);
                out.println("not run: " + entry + ": " + reason);
            }
            if (!deviceWorks()) {
                lose(entry);
            }
        }
    }

    private ObjectNode time(Entry entry, Fixture own, Prepared prepared, Opened opened, double haste) {
        Device device = own.device();
        Gate gate = new Gate(entry.name() + " of " + entry.shape);
        Rounds rounds = new Rounds(new Clock(device), pace, state);
        prepared.call().queue(0);
        device.synchronize();
        String wrong = failure(() -> prepared.check().run(gate));
        long memory = device.peakAllocatedBytes();
        AtomicInteger repeats = new AtomicInteger();
        if (wrong == null && prepared.isRepeatable()) {
            double seconds = haste * pace.repeatSeconds();
            wrong = failure(() -> repeats.set(Repeats.run(device, own, prepared.call(), gate, seconds)));
        }
        List<Contender> contenders = new ArrayList<>(List.of(rounds.contender(prepared.call())));
        Fixture beside = opened.add(new Fixture(device, entry.shape, numbers, 1));
        Benchmark.Preparation roofline = entry.benchmark.roofline().preparation();
        if (roofline != null) {
            Prepared bound = roofline.prepare(beside);
            opened.add(bound.close());
            contenders.add(rounds.contender(bound.call()));
        }
        GraphNodes nodes = null;
        if (entry.benchmark.isLaunchBound(entry.shape) && device.supportsGraphs()) {
            nodes = opened.add(new GraphNodes(device, prepared.call(), pace.scale()));
            contenders.add(rounds.contender(nodes.call()));
        }
        List<Times> times = rounds.run(contenders, haste * pace.rounds().seconds());
        ObjectNode row = ResultRow.of(entry.benchmark, entry.shape, times.get(0));
        row.put("peak_memory_bytes", memory);
        row.put("gate", gate.worst());
        if (wrong != null) {
            row.put(Results.GATE_FAILED, wrong);
        }
        if (repeats.get() > 0) {
            row.put("repeats", repeats.get());
        }
        if (nodes != null) {
            row.put("graph_nodes", nodes.count());
            row.put("graph_node_us", times.get(times.size() - 1).median() / nodes.count());
        }
        state.report(row);
        row.put("burst_us", rounds.burst(contenders.get(0)));
        row.put("sustained_us", rounds.sustained(contenders.get(0)));
        row.put("sustained_seconds", pace.load().sustainedSeconds());
        if (roofline != null) {
            ResultRow.bound(row, entry.benchmark, times.get(0), times.get(1), beside);
        }
        return row;
    }

    /** Whether a newly opened device accepts and completes work. */
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
        String lost = "the device has failed for good in " + entry;
        ahead.poll();
        leave("not reached: " + lost + "; --skip-done " + results.file() + " in a new process goes on after it");
        throw new DeviceLost(lost + ": this process cannot use it any more");
    }
}
