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
 * Handles Ctrl-C (SIGINT), SIGTERM and SIGHUP while a command trains. The first signal asks the run to save its weights
 * and end. A second ends the process after deleting incomplete files. Before the first step there is nothing to save,
 * so the first signal ends the process.
 *
 * <p>The exit code is 128 plus the signal's number, as in a shell. A signal that the process was told to ignore, as by
 * nohup, stays ignored.
 */
final class StopSignals extends ForwardingListener implements AutoCloseable {
    private static final int EXIT_CODE = 128;

    /** Time limit for deleting incomplete files. */
    private static final long EXIT_MILLIS = 2000;

    private final Console console;
    private final Map<Signal, SignalHandler> replaced = new LinkedHashMap<>();
    private final AtomicReference<@Nullable Signal> first = new AtomicReference<>();
    private final AtomicBoolean isEnding = new AtomicBoolean();
    private volatile boolean isTrained;

    private StopSignals(Console console, RunListener shown) {
        super(shown);
        this.console = console;
    }

    /**
     * Trains one run, with a listener that shows it on the console, ends it on a signal, and says in the end how to use the
     * model. Returns the exit code.
     */
    static int duringRun(Consumer<RunListener> training) {
        try (Console console = Console.standard()) {
            return during(console, new NextSteps(console, Output.standard()), training);
        }
    }

    /** Likewise, for several runs: nothing is said of their models. */
    static int duringRuns(Consumer<RunListener> training) {
        try (Console console = Console.standard()) {
            return during(console, console, training);
        }
    }

    private static int during(Console console, RunListener shown, Consumer<RunListener> training) {
        try (StopSignals signals = new StopSignals(console, shown)) {
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
                // With java -Xrs the operating system handles signals: they end the process.
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
                    + ": training ends and its weights are saved; a second signal ends it at once");
        } else {
            System.err.println("dpo4j: SIG" + signal.getName() + ": no step was trained: nothing is saved");
            exit(exitCode);
        }
    }

    /**
     * Exits; shutdown hooks delete incomplete files. Halts without deleting after the time limit, or on a second call.
     */
    private void exit(int exitCode) {
        if (isEnding.getAndSet(true)) {
            Runtime.getRuntime().halt(exitCode);
        }
        Thread limit = new Thread(() -> {
            try {
                Thread.sleep(EXIT_MILLIS);
            } catch (InterruptedException e) {
                // halt now
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
        boolean isRepeated = first.get() != null && !isTrained; // stop() has said that nothing was trained
        if (!isRepeated && !isEnding.get()) {
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

    /** Restores the previous signal handlers. */
    @Override
    public void close() {
        replaced.forEach(Signal::handle);
    }
}
