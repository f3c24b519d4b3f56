package org.dpo4j.train;

import org.dpo4j.io.hub.HubListener;
import org.dpo4j.report.RunListener;

/** Shows how many MB of each repository are downloaded. If the run is cancelled, it ends the download. */
final class DownloadReport implements HubListener {
    private final RunListener listener;
    private String repository = "";
    private LoadingReport report;

    DownloadReport(RunListener listener) {
        this.listener = listener;
        this.report = new LoadingReport(listener);
    }

    @Override
    public void downloaded(String repository, long done, long total) {
        if (!repository.equals(this.repository)) {
            this.repository = repository;
            report = new LoadingReport(listener, "MB of " + repository + " downloaded");
        }
        report.loaded(done, total);
        if (done == total) {
            this.repository = ""; // further files of it have another total
        }
    }

    @Override
    public void notice(String line) {
        listener.notice(line);
    }

    @Override
    public void waiting() {
        Cancellation.check(listener);
    }
}
