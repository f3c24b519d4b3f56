package org.dpo4j.report;

/** Forwards all calls to another listener. Subclasses override some. */
public abstract class ForwardingListener implements RunListener {
    private final RunListener listener;

    protected ForwardingListener(RunListener listener) {
        this.listener = listener;
    }

    @Override
    public void metrics(Metrics metrics) {
        listener.metrics(metrics);
    }

    @Override
    public void generations(Generations generations) {
        listener.generations(generations);
    }

    @Override
    public void header(RunHeader header) {
        listener.header(header);
    }

    @Override
    public void started(RunStart start) {
        listener.started(start);
    }

    @Override
    public void ended(RunEnd end) {
        listener.ended(end);
    }

    @Override
    public void progress(String phase, long done, long total) {
        listener.progress(phase, done, total);
    }

    @Override
    public void notice(String line) {
        listener.notice(line);
    }

    @Override
    public void diagnosis(Diagnosis diagnosis) {
        listener.diagnosis(diagnosis);
    }

    @Override
    public boolean isCancelled() {
        return listener.isCancelled();
    }

    @Override
    public boolean isSaveTriedAgain(String why) {
        return listener.isSaveTriedAgain(why);
    }
}
