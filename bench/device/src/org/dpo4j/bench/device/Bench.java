package org.dpo4j.bench.device;

import java.io.PrintStream;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import org.dpo4j.cli.NearestName;
import org.dpo4j.kernels.Devices;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** The command: {@code ./bench}. */
@Command(
        name = "bench",
        mixinStandardHelpOptions = true,
        description = "Times every operation beside rooflines of this machine; writes JSON.",
        exitCodeListHeading = "Exit codes:%n",
        exitCodeList = {
            "0:every result was right",
            "1:something failed, or a result was wrong: its row says gate_failed",
            "2:the command was not understood",
            "3:the device has failed for good: --skip-done goes on in a new process",
            "4:a benchmark hung: --skip-done goes on after it"
        })
final class Bench implements Callable<Integer> {
    static final int FAILED = 1;
    static final int HUNG = 4;
    private static final int NOT_UNDERSTOOD = 2;
    private static final int DEVICE_LOST = 3;
    /**
     * Seconds for which a benchmark may run after the deadline, so that {@code --quick} ends within its eight minutes.
     */
    private static final double GRACE_SECONDS = 20;

    private static final double QUICK_SECONDS = 7.5 * 60;

    @Option(
            names = "--quick",
            description =
                    "under eight minutes: every benchmark at one size or more, shorter rounds, 0.8 s of sustained work instead of 20 s; on the cpu: tiny sizes, to see it run")
    boolean quick;

    @Option(names = "--only", split = ",", description = "benchmarks, or beginnings of their names (default: all)")
    List<String> only = List.of();

    @Option(names = "--device", description = "cuda (the default), or cpu, which has sizes of few benchmarks")
    String device = "cuda";

    @Option(names = "--cuda", description = "directory of NVIDIA's CUDA 13 libraries")
    @Nullable
    Path cuda;

    @Option(names = "--output", description = "directory of the results (default: ./results)")
    Path output = Path.of("results");

    @Option(names = "--seconds", description = "no benchmark begins later; 450 with --quick, else no limit")
    @Nullable
    Double seconds;

    @Option(
            names = "--skip-done",
            split = ",",
            description =
                    "results of a run that was cut short: benchmarks with a row or a failure there are not run again")
    List<Path> done = List.of();

    @Option(names = "--list", description = "names of the benchmarks")
    boolean list;

    @Option(names = "--commit", hidden = true)
    String commit = "unknown";

    private final PrintStream out;
    private final Map<String, String> environment;

    private Bench(PrintStream out, Map<String, String> environment) {
        this.out = out;
        this.environment = environment;
    }

    public static void main(String[] arguments) {
        int code = run(arguments, System.out, System.getenv());
        if (code == DEVICE_LOST) {
            halt(System.out, code); // exit handlers of the driver may never return after a fault
        }
        System.exit(code);
    }

    /** Runs the command. Returns its exit code, which is 0 only if nothing failed. */
    static int run(String[] arguments, PrintStream out, Map<String, String> environment) {
        CommandLine command = new CommandLine(new Bench(out, environment));
        command.setParameterExceptionHandler((e, words) -> {
            out.println("bench: error: " + e.getMessage());
            return NOT_UNDERSTOOD;
        });
        command.setExecutionExceptionHandler((e, line, parsed) -> {
            out.println("bench: error: " + (e instanceof Dpo4jException ? e.getMessage() : e));
            return FAILED;
        });
        return command.execute(arguments);
    }

    @Override
    public Integer call() {
        if (list) {
            Benchmarks.ALL.forEach(benchmark -> out.println(benchmark.name()));
            return 0;
        }
        if (!List.of("cuda", "cpu").contains(device)) {
            throw new Dpo4jException("device " + device + " is unknown: use cuda or cpu");
        }
        if (seconds != null && !(seconds > 0)) {
            throw new Dpo4jException("--seconds " + seconds + " is no time limit: use a number above 0");
        }
        List<Benchmark> chosen = chosen();
        if (cuda != null) {
            System.setProperty("dpo4j.cuda.path", cuda.toString());
        }
        Devices.open(device).close(); // if the device cannot be used, this throws before a file is written
        boolean isCpu = device.equals("cpu");
        boolean isEmulated = String.valueOf(Devices.report().build()).contains("emulated=1");
        boolean isTiny = isEmulated || isCpu && quick;
        Pace pace = isTiny ? Pace.LOOK : isCpu ? Pace.CPU : quick ? Pace.QUICK : Pace.FULL;
        double limit = seconds != null ? seconds : quick && !isTiny ? QUICK_SECONDS : Double.POSITIVE_INFINITY;
        String kind = isCpu ? "cpu" : isEmulated ? "emulated" : "cuda";
        if (chosen.stream().allMatch(each -> each.shapes().of(pace.scale()).isEmpty())) {
            throw new Dpo4jException("these benchmarks have no sizes for the cpu: --quick runs them with tiny sizes");
        }
        try (MachineState state = kind.equals("cuda")
                ? MachineState.watch(environment)
                : MachineState.none("not read on the " + kind + " device")) {
            Results results =
                    new Results(output, kind, commit, isTiny ? "look" : quick ? "quick" : "full", state.source());
            done.forEach(results::resume);
            Runner runner = new Runner(
                    () -> Devices.open(device),
                    pace,
                    new Deadline(limit, GRACE_SECONDS),
                    state,
                    results,
                    out,
                    code -> abort(results, code));
            return run(runner, chosen, results);
        }
    }

    private int run(Runner runner, List<Benchmark> chosen, Results results) {
        try {
            runner.run(chosen);
        } catch (Runner.DeviceLost e) {
            out.println("bench: " + e.getMessage());
            end(results);
            return DEVICE_LOST;
        }
        results.write();
        return end(results);
    }

    private int end(Results results) {
        out.println("bench: " + results.measured() + " measured, " + results.absences() + " not run, "
                + results.failures() + " failed; wrote " + results.file());
        return results.failures() == 0 ? 0 : FAILED;
    }

    /**
     * Ends the process, and those that it has started, while the main thread waits for the device. Exit handlers do not
     * run, because those of the driver would wait for the device too.
     */
    private void abort(Results results, int code) {
        ProcessHandle.current().descendants().forEach(ProcessHandle::destroyForcibly);
        end(results);
        halt(out, code);
    }

    private static void halt(PrintStream out, int code) {
        out.flush();
        Runtime.getRuntime().halt(code);
    }

    private List<Benchmark> chosen() {
        return only.isEmpty() ? Benchmarks.ALL : named(only);
    }

    /** The benchmarks with these names. If none has a name, those whose names begin with it. */
    static List<Benchmark> named(List<String> wanted) {
        Set<Benchmark> chosen = new LinkedHashSet<>();
        List<String> names = Benchmarks.ALL.stream().map(Benchmark::name).toList();
        for (String name : wanted) {
            List<Benchmark> found = Benchmarks.ALL.stream()
                    .filter(benchmark -> benchmark.name().equals(name))
                    .toList();
            if (found.isEmpty()) {
                found = Benchmarks.ALL.stream()
                        .filter(benchmark -> benchmark.name().startsWith(name))
                        .toList();
            }
            if (found.isEmpty()) {
                throw new Dpo4jException("no benchmark is called " + name + NearestName.suggestion(name, names)
                        + " (./bench --list names them)");
            }
            chosen.addAll(found);
        }
        return List.copyOf(chosen);
    }
}
