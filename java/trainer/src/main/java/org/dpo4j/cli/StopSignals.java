package org.dpo4j.cli;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import org.dpo4j.report.Console;
import org.dpo4j.report.ForwardingListener;
import org.dpo4j.report.RunListener;
import org.jspecify.annotations.Nullable;
import sun.misc.Signal;
import sun.misc.SignalHandler;

/**
 * What Ctrl-C (SIGINT), SIGTERM and SIGHUP do while a command trains. The first asks the run to end, which then saves its
 * weights; a second ends the process at once, but for deleting what it has half-written. Before the first step there is
 * nothing to save, and the first signal does that.
 * The exit code is 128 and the signal's number, as a shell gives it. A signal that the process was told to ignore, as
 * by nohup, stays ignored.
 */
final class StopSignals extends ForwardingListener implements AutoCloseable {
    private static final int EXIT_CODE = 128;

    /** Longest that deleting what is half-written may take. */
    private static final long EXIT_MILLIS = 2000;

    private final Console console;
    private final Map<Signal, SignalHandler> replaced = new LinkedHashMap<>();
    private final AtomicReference<@Nullable Signal> first = new AtomicReference<>();
    private final AtomicBoolean isEnding = new AtomicBoolean();
    private volatile boolean isTrained;

    private StopSignals(Console console) {
        super(console);
        this.console = console;
    }

    /** Trains with a listener that shows the run on the console and ends it on a signal; gives the exit code. */
    static int during(Consumer<RunListener> training) {
        try (Console console = Console.standard();
                StopSignals signals = new StopSignals(console)) {
            signals.handle("INT", "TERM", "HUP");
            return signals.run(training);
        }
    }

    private int run(Consumer<RunListener> training) {
        try {
            training.accept(this);
        } catch (CancellationException e) {
            if (first.get() == null) {
                throw e;
            }
        }
        Signal signal = first.get();
        return signal == null ? 0 : EXIT_CODE + signal.getNumber();
    }

    private void handle(String... names) {
        for (String name : names) {
            Signal signal = new Signal(name);
            try {
                replaced.put(signal, Signal.handle(signal, this::stop));
            } catch (IllegalArgumentException e) {
                // java -Xrs leaves signals to the operating system: they end the process, as asked.
            }
        }
    }

    private void stop(Signal signal) {
        int exitCode = EXIT_CODE + signal.getNumber();
        if (!first.compareAndSet(null, signal)) {
            exit(exitCode);
            return;
        }
        console.close();
        if (isTrained) {
            System.err.println("dpo4j: SIG" + signal.getName()
                    + ": training ends and its weights are saved; once more ends it at once");
        } else {
            System.err.println("dpo4j: SIG" + signal.getName() + ": no step was trained: nothing is saved");
            exit(exitCode);
        }
    }

    /** Exits, which deletes what is half-written; where that takes too long, or at the next call, it stays. */
    private void exit(int exitCode) {
        if (isEnding.getAndSet(true)) {
            Runtime.getRuntime().halt(exitCode);
        }
        Thread limit = new Thread(() -> {
            try {
                Thread.sleep(EXIT_MILLIS);
            } catch (InterruptedException e) {
                // ends the wait
            }
            Runtime.getRuntime().halt(exitCode);
        });
        limit.setDaemon(true);
        limit.start();
        System.exit(exitCode);
    }

    @Override
    public void progress(String phase, long done, long total) {
        if (phase.equals("training") && done > 0) {
            isTrained = true;
        }
        super.progress(phase, done, total);
    }

    @Override
    public void notice(String line) {
        boolean isSaid = first.get() != null && !isTrained; // by the signal: nothing was trained
        if (!isSaid && !isEnding.get()) {
            super.notice(line);
        }
    }

    @Override
    public boolean isCancelled() {
        return first.get() != null;
    }

    @Override
    public boolean isSaveTriedAgain(String why) {
        return first.get() == null && super.isSaveTriedAgain(why);
    }

    /** Gives the signals back to whom they were with. */
    @Override
    public void close() {
        replaced.forEach(Signal::handle);
    }
}
