package org.dpo4j.train;

import java.util.ArrayList;
import java.util.List;
import org.dpo4j.report.Metrics;
import org.dpo4j.report.RunHeader;
import org.dpo4j.report.RunListener;

/** Keeps the header, progress and notices of a run. */
public class Recorder implements RunListener {
    public final List<RunHeader> headers = new ArrayList<>();
    public final List<String> notices = new ArrayList<>();

    /** Each {@code phase done/total}. */
    public final List<String> progress = new ArrayList<>();

    @Override
    public void metrics(Metrics metrics) {}

    @Override
    public void header(RunHeader header) {
        headers.add(header);
    }

    @Override
    public void progress(String phase, long done, long total) {
        progress.add(phase + " " + done + "/" + total);
    }

    @Override
    public void notice(String line) {
        notices.add(line);
    }
}
