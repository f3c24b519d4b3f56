package org.dpo4j.report.mlflow;

import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.dpo4j.report.Metrics;
import org.dpo4j.report.RunEnd;
import org.dpo4j.report.RunListener;
import org.dpo4j.report.RunStart;
import org.dpo4j.report.mlflow.MlflowClient.RefusedException;
import org.dpo4j.report.mlflow.MlflowClient.TimedMetrics;
import org.jspecify.annotations.Nullable;

/**
 * Sends the options and metrics of a run to an MLflow server. A thread of its own waits for the server, so the run does
 * not. If the server cannot be reached, the run's listener receives one notice; lines of metrics wait in memory, up to a
 * limit, and are sent again from time to time, and once more at the end of the run.
 */
public final class MlflowReporter implements RunListener {
    private static final Limits LIMITS =
            new Limits(Duration.ofSeconds(10), Duration.ofSeconds(30), Duration.ofSeconds(10));
    /** Lines of metrics that wait; later ones are left out. */
    private static final int MAX_WAITING = 10_000;

    private static final int MAX_LINES_AT_ONCE = 200;
    private static final TimedMetrics NOTHING = new TimedMetrics(new Metrics(0, Map.of()), 0);

    /**
     * Limits of time.
     *
     * @param request of one request
     * @param retry pause after a failure
     * @param end how long the end of a run waits for what is not sent
     */
    record Limits(Duration request, Duration retry, Duration end) {}

    private final MlflowServer server;
    private final @Nullable String runName;
    private final RunListener notices;
    private final Limits limits;
    private final BlockingQueue<TimedMetrics> waiting = new ArrayBlockingQueue<>(MAX_WAITING);
    private final Thread thread = new Thread(this::send, "dpo4j-mlflow");
    private final CountDownLatch end = new CountDownLatch(1);
    private @Nullable RunStart start;
    private volatile @Nullable String fault;
    private volatile @Nullable String ended;
    private boolean isFaultTold;
    private long startMillis;

    /**
     * Sends nothing before the run starts.
     *
     * @param runName name of the run; null: the name of its output directory
     * @param notices receives a notice if the server cannot be reached, on the thread that trains
     */
    public MlflowReporter(MlflowServer server, @Nullable String runName, RunListener notices) {
        this(server, runName, notices, LIMITS);
    }

    MlflowReporter(MlflowServer server, @Nullable String runName, RunListener notices, Limits limits) {
        this.server = server;
        this.runName = runName;
        this.notices = notices;
        this.limits = limits;
    }

    @Override
    public void started(RunStart start) {
        this.start = start;
        startMillis = System.currentTimeMillis();
        thread.setDaemon(true);
        thread.start();
    }

    @Override
    public void metrics(Metrics metrics) {
        if (!waiting.offer(new TimedMetrics(metrics, System.currentTimeMillis()))) {
            fault = "more than " + MAX_WAITING + " lines of metrics wait";
        }
        tellFault();
    }

    @Override
    public void ended(RunEnd how) {
        ended = switch (how.status()) {
            case COMPLETED -> "FINISHED";
            case CANCELLED -> "KILLED";
            case FAILED -> "FAILED";
        };
        end.countDown();
        waiting.offer(NOTHING); // the thread may wait for a line
        try {
            thread.join(limits.end.toMillis());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        if (thread.isAlive() && fault == null) {
            fault = "no answer in time";
        }
        tellFault();
    }

    private void tellFault() {
        String why = fault;
        if (why != null && !isFaultTold) {
            isFaultTold = true;
            notices.notice("metrics are not sent to MLflow at " + server + " (" + why
                    + "); training goes on; check MLFLOW_TRACKING_URI and the server");
        }
    }

    /** The thread: creates the run, sends what waits until the run has ended, then sets its status. */
    private void send() {
        MlflowClient client = new MlflowClient(server, limits.request);
        List<TimedMetrics> unsent = new ArrayList<>();
        @Nullable String run = null;
        try {
            while (true) {
                boolean isLast = ended != null;
                try {
                    run = run == null ? client.begin(name(), options(), startMillis) : run;
                    if (isSentToEnd(client, run, unsent)) {
                        return;
                    }
                } catch (IOException e) {
                    fault = e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
                    if (isLast || e instanceof RefusedException refused && refused.isFinal()) {
                        return;
                    }
                    end.await(limits.retry.toMillis(), TimeUnit.MILLISECONDS);
                }
            }
        } catch (InterruptedException e) {
            fault = "the thread was interrupted";
        }
    }

    /** Sends what waits. Returns whether that was all of a run that has ended. */
    private boolean isSentToEnd(MlflowClient client, String run, List<TimedMetrics> unsent)
            throws IOException, InterruptedException {
        String status = ended;
        if (unsent.isEmpty() && status == null) {
            TimedMetrics first = waiting.poll(limits.retry.toMillis(), TimeUnit.MILLISECONDS);
            unsent.addAll(first == null ? List.of() : List.of(first));
        }
        waiting.drainTo(unsent, MAX_LINES_AT_ONCE - unsent.size());
        client.log(run, unsent);
        unsent.clear();
        if (status == null || !waiting.isEmpty()) {
            return false;
        }
        client.update(run, status, System.currentTimeMillis());
        return true;
    }

    private String name() {
        RunStart run = start;
        if (runName != null || run == null) {
            return String.valueOf(runName);
        }
        return String.valueOf(run.directory().toAbsolutePath().normalize().getFileName());
    }

    private Map<String, String> options() {
        RunStart run = start;
        return run == null ? Map.of() : run.options();
    }
}
