package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import org.dpo4j.report.Metrics;
import org.dpo4j.report.RunListener;
import org.junit.jupiter.api.Test;

class LoadingReportTest {
    private static final long MILLISECOND = 1_000_000;
    private static final long MB = 1_000_000;

    private long now;
    private boolean isCancelled;
    private final List<String> reports = new ArrayList<>();
    private final LoadingReport report = new LoadingReport(
            new RunListener() {
                @Override
                public void metrics(Metrics metrics) {}

                @Override
                public void progress(String phase, long done, long total) {
                    reports.add(phase + " " + done + "/" + total);
                }

                @Override
                public boolean isCancelled() {
                    return isCancelled;
                }
            },
            "MB of weights loaded",
            () -> now);

    @Test
    void aLoadOfLessThanASecondIsNotReported() {
        load(500, 1, 2);
        load(1000, 2, 2);
        assertThat(reports).isEmpty();
    }

    @Test
    void aLoadIsReportedFromOneSecondOnTenTimesASecond() {
        load(900, 9, 40);
        load(1001, 10, 40);
        load(1050, 11, 40);
        load(1100, 12, 40);
        load(1101, 13, 40);
        load(1102, 40, 40);
        assertThat(reports)
                .containsExactly(
                        "MB of weights loaded 10/40", "MB of weights loaded 13/40", "MB of weights loaded 40/40");
    }

    /** A report of 0 begins the phase anew, so it may come once only. */
    @Test
    void lessThanAMegabyteIsReportedAsOne() {
        now = 1001 * MILLISECOND;
        report.loaded(MB / 8, MB / 2);
        now = 1200 * MILLISECOND;
        report.loaded(MB / 4, MB / 2);
        report.loaded(MB / 2, MB / 2);
        assertThat(reports).containsExactly("MB of weights loaded 0/1", "MB of weights loaded 1/1");
    }

    @Test
    void theLastReportAloneIsNone() {
        load(5000, 40, 40);
        assertThat(reports).isEmpty();
    }

    @Test
    void aCancelledRunEndsALongLoad() {
        isCancelled = true;
        load(1000, 1, 40);
        assertThatThrownBy(() -> load(1001, 2, 40)).isInstanceOf(CancellationException.class);
    }

    private void load(long milliseconds, long done, long total) {
        now = milliseconds * MILLISECOND;
        report.loaded(done * MB, total * MB);
    }
}
