package org.dpo4j.report;

import java.io.PrintStream;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Prints a run. Metrics are lines. On a terminal, long lines break between metrics, and a progress bar is drawn below
 * them. Otherwise each phase is announced by one line, because a bar could not be erased, and long phases get a line of
 * progress per minute. The first {@value #MAX_LINES} lines of metrics are printed, then one per ten seconds and the last;
 * {@code metrics.jsonl} has all of them.
 */
public final class Console implements RunListener, AutoCloseable {
    private static final String BETWEEN = "  ";
    private static final int MAX_LINES = 300;
    private static final long METRICS_NANOS = 10_000_000_000L;
    private static final long PROGRESS_NANOS = 60_000_000_000L;

    private final PrintStream out;
    private final int columns;
    private String phase = "";
    private ProgressBar bar = new ProgressBar("", 0, 0, 0);
    private final LineRate metricsRate;
    private final LineRate progressRate;
    private boolean hasUnfinishedLine;
    /** The last line of metrics if it was not printed. */
    private @Nullable String skipped;

    private int skippedLines;
    private boolean isClosed;

    /**
     * Prints to {@code out}.
     *
     * @param columns width of the terminal, or 0 if {@code out} is not a terminal
     */
    public Console(PrintStream out, int columns) {
        this(out, columns, System::nanoTime);
    }

    Console(PrintStream out, int columns, LongSupplier clock) {
        this.out = out;
        this.columns = columns;
        this.metricsRate = new LineRate(MAX_LINES, METRICS_NANOS, clock);
        this.progressRate = new LineRate(1, PROGRESS_NANOS, clock);
    }

    /** Prints to standard output, with progress bars if it is a terminal. */
    public static Console standard() {
        Console console = new Console(System.out, Terminal.columns(1));
        if (console.isTerminal()) {
            Runtime.getRuntime().addShutdownHook(new Thread(console::close)); // Ctrl-C leaves an unfinished line
        }
        return console;
    }

    /** Whether a person types standard input: it is a terminal. */
    public static boolean isInputTyped() {
        return Terminal.isStandardInput();
    }

    /** Whether standard output is a terminal. */
    public static boolean isStandardTerminal() {
        return Terminal.columns(1) > 0;
    }

    /** Prints to standard error, with progress bars if it is a terminal. */
    public static Console errors() {
        return new Console(System.err, Terminal.columns(2));
    }

    @Override
    public void header(RunHeader header) {
        out.println(header);
    }

    @Override
    public synchronized void metrics(Metrics metrics) {
        if (isTerminal()) {
            out.println(ProgressBar.ERASE + broken(metrics.toString()));
            hasUnfinishedLine = false;
        } else if (metricsRate.isAllowed()) {
            skipped = null;
            printSkipped();
            out.println(metrics);
        } else {
            skipped = metrics.toString();
            skippedLines++;
        }
    }

    /** Says how many lines of metrics were not printed, and prints the last line if it was not. */
    private void printSkipped() {
        int without = skippedLines - (skipped == null ? 0 : 1);
        if (without > 0) {
            out.println("(" + without + " more lines of metrics are in metrics.jsonl)");
        }
        if (skipped != null) {
            out.println(skipped);
        }
        skipped = null;
        skippedLines = 0;
    }

    @Override
    public synchronized void generations(Generations generations) {
        out.println(isTerminal() ? ProgressBar.ERASE + generations : generations.toString());
        hasUnfinishedLine = false;
    }

    @Override
    public synchronized void progress(String phase, long done, long total) {
        if (!phase.equals(this.phase) || done == 0) {
            this.phase = phase;
            bar = new ProgressBar(phase, done, total, columns);
            if (!isTerminal()) {
                printSkipped();
                out.println(phase + ": " + total);
                progressRate.isAllowed();
            }
        } else if (!isTerminal() && done < total && progressRate.isAllowed()) {
            out.println(bar.text(done, total));
        }
        if (!isTerminal() && done == total) {
            printSkipped();
        }
        if (isTerminal() && !isClosed) {
            out.print(bar.line(done, total));
            hasUnfinishedLine = done != total;
            if (!hasUnfinishedLine) {
                out.println();
            }
            out.flush();
        }
    }

    /** Prints a line on standard error, below the bar. */
    @Override
    public synchronized void notice(String line) {
        endLine();
        System.err.println("dpo4j: " + line);
    }

    /** Asks the user if standard input and output are a terminal; otherwise returns false. */
    @Override
    public boolean isSaveTriedAgain(String why) {
        if (!isTerminal() || !Terminal.isStandardInput()) {
            return false;
        }
        notice(why + "; press Enter to try again, Ctrl-D to give up");
        return Terminal.isEnterPressed();
    }

    /** Ends the line of an unfinished bar and draws no further bar. */
    @Override
    public synchronized void close() {
        isClosed = true;
        printSkipped();
        endLine();
    }

    private void endLine() {
        if (hasUnfinishedLine) {
            out.println();
            hasUnfinishedLine = false;
        }
    }

    private boolean isTerminal() {
        return columns > 0;
    }

    /** Breaks a line between its parts to fit the terminal, and indents the rest to the second part. */
    private String broken(String line) {
        String[] parts = line.split(BETWEEN);
        StringBuilder text = new StringBuilder(parts[0]);
        int width = parts[0].length();
        for (int i = 1; i < parts.length; i++) {
            if (width + BETWEEN.length() + parts[i].length() > columns) {
                width = parts[0].length();
                text.append(System.lineSeparator()).append(" ".repeat(width));
            }
            text.append(BETWEEN).append(parts[i]);
            width += BETWEEN.length() + parts[i].length();
        }
        return text.toString();
    }
}
