package org.dpo4j.report;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.dpo4j.io.FileErrors;
import org.dpo4j.kernels.Dpo4jException;

/**
 * Several listeners as one. All events go first to the main listener, then to each optional one in the order in which they
 * were added. Only the main listener decides: it is asked by {@link #isCancelled} and {@link #isSaveTriedAgain}, and what
 * it throws ends the run.
 *
 * <p>An optional listener cannot end the run. If it throws, the main listener receives one notice, and the optional one
 * receives no further event. Events arrive on the thread that trains, and the run goes on when the listener returns. So a
 * listener that waits, for example for a network, hands events to a thread of its own.
 *
 * <pre>{@code
 * RunListener listener = new CombinedListener(Console.standard())
 *         .with("dashboard", metrics -> dashboard.show(metrics.step(), metrics.values().get("loss")));
 * DpoTrainer.train(options, listener);
 * }</pre>
 */
public final class CombinedListener extends ForwardingListener {
    private final List<Part> parts = new ArrayList<>();

    /** A listener whose exceptions are reported once. */
    private static final class Part {
        private final String name;
        private final RunListener listener;
        private boolean isFaulty;

        Part(String name, RunListener listener) {
            this.name = name;
            this.listener = listener;
        }
    }

    /** A combination that has only the main listener so far. */
    public CombinedListener(RunListener main) {
        super(main);
    }

    /**
     * Adds an optional listener and returns this.
     *
     * @param name what notices call it
     */
    public CombinedListener with(String name, RunListener listener) {
        parts.add(new Part(name, listener));
        return this;
    }

    @Override
    public void header(RunHeader header) {
        super.header(header);
        tell(listener -> listener.header(header));
    }

    @Override
    public void started(RunStart start) {
        super.started(start);
        tell(listener -> listener.started(start));
    }

    @Override
    public void metrics(Metrics metrics) {
        super.metrics(metrics);
        tell(listener -> listener.metrics(metrics));
    }

    @Override
    public void progress(String phase, long done, long total) {
        super.progress(phase, done, total);
        tell(listener -> listener.progress(phase, done, total));
    }

    @Override
    public void notice(String line) {
        super.notice(line);
        tell(listener -> listener.notice(line));
    }

    @Override
    public void generations(Generations generations) {
        super.generations(generations);
        tell(listener -> listener.generations(generations));
    }

    @Override
    public void diagnosis(Diagnosis diagnosis) {
        super.diagnosis(diagnosis);
        tell(listener -> listener.diagnosis(diagnosis));
    }

    @Override
    public void ended(RunEnd end) {
        super.ended(end);
        tell(listener -> listener.ended(end), "its last part is missing");
    }

    private void tell(Consumer<RunListener> event) {
        tell(event, "training goes on without it");
    }

    /**
     * Calls the listeners without an interrupt of this thread, which would close the files that they write. Sets it again afterwards.
     *
     * @param consequence what follows if a listener throws, for the warning
     */
    private void tell(Consumer<RunListener> event, String consequence) {
        boolean isInterrupted = Thread.interrupted();
        try {
            tellEach(event, consequence);
        } finally {
            if (isInterrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private void tellEach(Consumer<RunListener> event, String consequence) {
        for (Part each : parts) {
            if (each.isFaulty) {
                continue;
            }
            try {
                event.accept(each.listener);
            } catch (RuntimeException e) {
                each.isFaulty = true;
                super.notice(each.name + " ends (" + reason(e) + "); " + consequence);
            }
        }
    }

    private static String reason(RuntimeException e) {
        if (!(e instanceof Dpo4jException) && e.getCause() instanceof IOException io) {
            return FileErrors.reason(io);
        }
        return String.valueOf(e instanceof Dpo4jException ? e.getMessage() : e);
    }
}
