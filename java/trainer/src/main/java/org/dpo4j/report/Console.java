package org.dpo4j.report;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;

/**
 * Shows a run to a person. Metrics are lines. On a terminal a bar stays below them; elsewhere, where a line cannot be
 * taken back, a phase is announced once.
 */
public final class Console implements RunListener {
    private final PrintStream out;
    private final boolean terminal;
    private String phase = "";
    private ProgressBar bar = new ProgressBar("", 0);

    /** {@code terminal}: whether {@code out} goes back to the start of its line when told to. */
    public Console(PrintStream out, boolean terminal) {
        this.out = out;
        this.terminal = terminal;
    }

    /** On standard output, with bars where that is a terminal. */
    public static Console standard() {
        return new Console(System.out, outputIsTerminal());
    }

    /** System.console() asks about input as well, and from Java 22 on is there without a terminal too. */
    private static boolean outputIsTerminal() {
        try {
            return Path.of("/proc/self/fd/1").toRealPath().startsWith("/dev/pts");
        } catch (IOException e) {
            return false;
        }
    }

    @Override
    public void header(RunHeader header) {
        out.println(header);
    }

    @Override
    public void metrics(Metrics metrics) {
        out.println(terminal ? ProgressBar.ERASE + metrics : metrics.toString());
    }

    @Override
    public void progress(String phase, long done, long total) {
        if (!phase.equals(this.phase) || done == 0) {
            this.phase = phase;
            bar = new ProgressBar(phase, total);
            if (!terminal) {
                out.println(phase + ": " + total);
            }
        }
        if (terminal) {
            out.print(bar.line(done));
            if (done == total) {
                out.println();
            }
            out.flush();
        }
    }
}
