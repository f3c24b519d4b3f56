package org.dpo4j.report;

import java.io.PrintStream;

/**
 * Shows a run to a person. Metrics are lines. On a terminal they break between names, and a bar stays below them;
 * elsewhere, where a line cannot be taken back, a phase is announced once.
 */
public final class Console implements RunListener, AutoCloseable {
    private static final String BETWEEN = "  ";

    private final PrintStream out;
    private final int columns;
    private String phase = "";
    private ProgressBar bar = new ProgressBar("", 0, 0);
    private boolean unfinishedLine;
    private boolean closed;

    /**
     * To {@code out}.
     *
     * @param columns of the terminal that it is: one that goes back to the start of its line when told to; 0 where it is
     *     none
     */
    public Console(PrintStream out, int columns) {
        this.out = out;
        this.columns = columns;
    }

    /** On standard output, with bars where that is a terminal. */
    public static Console standard() {
        Console console = new Console(System.out, Terminal.columns());
        if (console.isTerminal()) {
            Runtime.getRuntime().addShutdownHook(new Thread(console::close)); // Ctrl-C ends no line
        }
        return console;
    }

    @Override
    public void header(RunHeader header) {
        out.println(header);
    }

    @Override
    public synchronized void metrics(Metrics metrics) {
        out.println(isTerminal() ? ProgressBar.ERASE + broken(metrics.toString()) : metrics.toString());
        unfinishedLine = false;
    }

    @Override
    public synchronized void progress(String phase, long done, long total) {
        if (!phase.equals(this.phase) || done == 0) {
            this.phase = phase;
            bar = new ProgressBar(phase, total, columns);
            if (!isTerminal()) {
                out.println(phase + ": " + total);
            }
        }
        if (isTerminal() && !closed) {
            out.print(bar.line(done));
            unfinishedLine = done != total;
            if (!unfinishedLine) {
                out.println();
            }
            out.flush();
        }
    }

    /** On standard error, below the bar. */
    @Override
    public synchronized void notice(String line) {
        endLine();
        System.err.println("dpo4j: " + line);
    }

    /** Asks, where standard input and output are a terminal; elsewhere nobody would answer. */
    @Override
    public boolean isSaveTriedAgain(String why) {
        if (!isTerminal() || !Terminal.isStandardInput()) {
            return false;
        }
        notice(why + "; press Enter to try again, Ctrl-D to give up");
        return Terminal.isEnterPressed();
    }

    /** Leaves a bar that was not done as it is, and ends its line; no other is drawn. */
    @Override
    public synchronized void close() {
        closed = true;
        endLine();
    }

    private void endLine() {
        if (unfinishedLine) {
            out.println();
            unfinishedLine = false;
        }
    }

    private boolean isTerminal() {
        return columns > 0;
    }

    /** Breaks the line between its parts where the terminal ends, the rest below the second part. */
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
