package org.dpo4j.train;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.dpo4j.io.FileErrors;
import org.dpo4j.io.OutputFile;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.report.CombinedListener;
import org.dpo4j.report.CsvLog;
import org.dpo4j.report.RunListener;
import org.dpo4j.report.mlflow.MlflowReporter;
import org.dpo4j.report.mlflow.MlflowServer;
import org.dpo4j.report.tensorboard.TensorBoardWriter;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Where metrics are written beside {@code metrics.jsonl} and {@code report.html}. */
public final class ReportOptions extends OptionGroup {
    private static final String NONE = "none";
    private static final String ALL = "all";
    private static final String TENSORBOARD = "tensorboard";
    private static final String CSV = "csv";
    private static final String MLFLOW = "mlflow";
    private static final String EVENTS_VARIABLE = "TENSORBOARD_LOGGING_DIR";

    /** What to do instead of reporting to a service that has no file format of its own. */
    private static final Map<String, String> ADVICE = Map.of(
            "wandb", "set it to tensorboard and run wandb sync on the directory of the event files",
            "trackio", "set it to tensorboard and call trackio.import_tf_events on the directory of the event files");

    /** Targets: {@code none}, {@code all}, or some of {@code tensorboard}, {@code csv} and {@code mlflow}. */
    @Option(
            names = "--report_to",
            arity = "1..*",
            split = ",",
            completionCandidates = OptionCandidates.ReportTargets.class,
            description = "Where to write metrics besides metrics.jsonl: none, tensorboard, csv, mlflow (the server"
                    + " MLFLOW_TRACKING_URI), several of these, or all; default none.")
    List<String> reportTo = List.of(NONE);

    /** Directory of event files; null: that of the variable TENSORBOARD_LOGGING_DIR, or one in {@code output_dir/runs}. */
    @Option(
            names = "--logging_dir",
            description =
                    "Directory of TensorBoard's event files; default TENSORBOARD_LOGGING_DIR, or runs/DATE_HOST in"
                            + " output_dir.")
    @Nullable
    Path loggingDir;

    /** Name of the run in reports and in MLflow; null: the name of the output directory. */
    @Option(names = "--run_name", description = "Name of the run in reports and MLflow; default that of output_dir.")
    @Nullable
    String runName;

    /** Throws if a target is unknown, or lacks what it needs. */
    void checkTargets() {
        for (String target : reportTo) {
            if (!Set.of(NONE, ALL, TENSORBOARD, CSV, MLFLOW).contains(target)) {
                throw new Dpo4jException("report_to is " + target + ", which is not supported; "
                        + ADVICE.getOrDefault(target, "set it to tensorboard, csv, mlflow or none")
                        + "; metrics.jsonl and report.html are written in any case");
            }
        }
        if (reportTo.size() > 1 && (reportTo.contains(NONE) || reportTo.contains(ALL))) {
            throw new Dpo4jException(
                    "report_to is " + String.join(",", reportTo) + "; give none or all alone, or leave it out");
        }
        if (loggingDir != null && !targets().contains(TENSORBOARD)) {
            throw new Dpo4jException("logging_dir is given, but report_to does not name tensorboard; add it, or leave"
                    + " logging_dir out");
        }
        if (reportTo.contains(MLFLOW)) {
            MlflowServer.find(System.getenv());
        }
    }

    /** Makes the directory of event files, if one is named. Throws if that is not possible. */
    void makeDirectory() {
        @Nullable Path directory = targets().contains(TENSORBOARD) ? eventDirectory() : null;
        if (directory == null) {
            return;
        }
        String name = loggingDir == null ? EVENTS_VARIABLE : "logging_dir";
        try {
            OutputFile.makeDirectory(directory);
        } catch (IOException e) {
            throw new Dpo4jException(
                    name + " " + directory + " cannot be made (" + FileErrors.reason(e) + "); name another directory",
                    e);
        }
        if (!Files.isWritable(directory)) {
            throw new Dpo4jException(name + " " + directory + " is not writable; name another directory");
        }
    }

    /** {@code all} includes mlflow only if a server is named. */
    private Set<String> targets() {
        if (!reportTo.contains(ALL)) {
            return new LinkedHashSet<>(reportTo);
        }
        return System.getenv(MlflowServer.URI) == null ? Set.of(TENSORBOARD, CSV) : Set.of(TENSORBOARD, CSV, MLFLOW);
    }

    /** Adds a listener for each target. {@code notices} receives their notices. */
    void addTo(CombinedListener listeners, RunListener notices) {
        Set<String> targets = targets();
        if (targets.contains(TENSORBOARD)) {
            listeners.with(TENSORBOARD, new TensorBoardWriter(eventDirectory()));
        }
        if (targets.contains(CSV)) {
            listeners.with(CSV, new CsvLog(notices));
        }
        if (targets.contains(MLFLOW)) {
            listeners.with(MLFLOW, new MlflowReporter(MlflowServer.find(System.getenv()), runName, notices));
        }
    }

    private @Nullable Path eventDirectory() {
        String variable = System.getenv(EVENTS_VARIABLE);
        return loggingDir != null || variable == null ? loggingDir : Path.of(variable);
    }
}
