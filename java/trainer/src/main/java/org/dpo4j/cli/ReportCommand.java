package org.dpo4j.cli;

import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.report.html.ReportWriter;
import org.dpo4j.report.record.RecordedRun;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code dpo4j report}: writes the report of a run, or compares several. */
@Command(
        name = "report",
        description = "Write the report of a run as an HTML page of one file, or compare several runs.",
        footer = {
            "",
            "RUN is the output_dir of a run, which may still go on. The page of one run shows its metrics, rows, samples"
                    + " and options; that of several runs shows their metrics in the same charts, and the options in which"
                    + " they differ."
        },
        sortOptions = false)
final class ReportCommand implements Callable<Integer> {
    @Parameters(paramLabel = "RUN", arity = "0..*", description = "Output directories of runs.")
    private @Nullable List<Path> runs;

    @Option(
            names = "--output",
            description = "File to write; or - for standard output. Default: report.html in RUN; for several runs,"
                    + " report.html in the working directory.")
    private @Nullable Path output;

    @Override
    public Integer call() {
        if (runs == null || runs.isEmpty()) {
            throw new Dpo4jException("no run; give the output_dir of one or more runs");
        }
        Path file = output != null ? output : (runs.size() == 1 ? runs.get(0) : Path.of("")).resolve("report.html");
        ReportWriter.write(file, runs.stream().map(RecordedRun::read).toList());
        if (!file.toString().equals("-")) {
            Output.standard().println(file);
        }
        return 0;
    }
}
